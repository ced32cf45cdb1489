"""Save a plan of `provision`, and tell whether the world has moved since."""

import hashlib
import json
from pathlib import Path

from slipway.environment import Environment
from slipway.errors import ConfigurationError
from slipway.plan import Plan

VERSION = 1


def save(path: Path, environment: Environment, plan: Plan) -> None:
    """Write a plan as JSON: version, environment, settings (their hash) and changes; no secret."""
    text = json.dumps(_document(environment, plan), indent=2) + "\n"
    path.write_text(text, encoding="utf-8")


def check(path: Path, environment: Environment, plan: Plan) -> None:
    """Raise ConfigurationError unless the plan of this moment is the one that was saved."""
    saved = _read(path)
    now = _document(environment, plan)
    again = f"run 'invoke provision -e {environment.name} --plan --out {path}' and read it again"
    if saved.get("environment") != environment.name:
        what = f"is a plan for {saved.get('environment')}, not for {environment.name}"
        raise ConfigurationError(str(path), what, again)
    if saved.get("settings") != now["settings"]:
        what = f"is older than the last change of env/{environment.name}.toml"
        raise ConfigurationError(str(path), what, again)
    if saved.get("changes") != now["changes"]:
        what = f"the world has moved since: {_difference(saved.get('changes'), plan)}"
        raise ConfigurationError(str(path), what, again)


def _document(environment: Environment, plan: Plan) -> dict[str, object]:
    settings = environment.root / "env" / f"{environment.name}.toml"
    text = settings.read_bytes() if settings.is_file() else b""
    return {
        "version": VERSION,
        "environment": environment.name,
        "settings": hashlib.sha256(text).hexdigest(),
        "changes": plan.as_json(),
    }


def _read(path: Path) -> dict[str, object]:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(str(path), error.strerror or "cannot be read") from None
    except ValueError:
        saved = None
    if not isinstance(saved, dict) or saved.get("version") != VERSION:
        hint = "make one with 'invoke provision --plan --out FILE'"
        raise ConfigurationError(str(path), "is no plan of this version", hint)
    return saved


def _difference(saved: object, plan: Plan) -> str:
    """Name the first change that is in one of two plans only."""
    listed = saved if isinstance(saved, list) else []
    before = [f"{one.get('action')} {one.get('resource')}" for one in listed]
    now = [f"{change.action} {change.resource}" for change in plan.changes]
    for word, one, other in (("now also", now, before), ("no longer", before, now)):
        if extra := [text for text in one if text not in other]:
            return f"{word} to {extra[0]}"
    return "other details or another order"
