"""Render env/app.env.j2 and write env/<name>.env: atomically, for its owner's eyes only."""

import io
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream
from jinja2 import Environment as Jinja
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError

from slipway.environment import read_variables
from slipway.errors import ConfigurationError
from slipway.secrets import Secret

TEMPLATE = "app.env.j2"
PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=&?~-]*")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
COMMENT = re.compile(r"[^\S\n]+#[^\n]*(?=\n*\Z)")


def quoted(value: str) -> str:
    """Return a value as python-dotenv reads it back unchanged."""
    if PLAIN.fullmatch(value):
        return value
    if "\r" in value:
        # Reading a file turns a carriage return into a line feed, unless it is written so.
        doubled = value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r")
        return f'"{doubled}"'
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def render(root: Path, values: Mapping[str, str | Secret], kept: Mapping[str, Secret]) -> str:
    """Return the text of an env file: the template, then what a person had added.

    `values` are the template's variables, `kept` the variables of the present file. Raises
    ConfigurationError where the template asks for a variable that there is not.
    """
    jinja = Jinja(  # noqa: S701 - dotenv text, not HTML
        loader=FileSystemLoader(root / "env"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    jinja.filters["dotenv"] = _filter
    try:
        text = jinja.get_template(TEMPLATE).render(values)
    except TemplateError as error:
        raise ConfigurationError(f"env/{TEMPLATE}", str(error), "mend the template") from None
    added = {name: value for name, value in kept.items() if name not in parse(text)}
    if added:
        text += "\n# Added by hand\n"
        text += "".join(f"{name}={quoted(value.reveal())}\n" for name, value in added.items())
    return text


def parse(text: str) -> dict[str, Secret]:
    """Read the text of an env file, without substitution."""
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: Secret(value) for name, value in values.items() if value is not None}


def put(text: str, name: str, value: str) -> str:
    """Return the text with a variable set; comments, order and all other lines stay.

    Raises ConfigurationError where a line of the text cannot be read.
    """
    bindings = _bindings(text)
    found = [at for at, binding in enumerate(bindings) if binding.key == name]
    line = f"{name}={quoted(value)}"
    if not found:
        return f"{text}\n{line}\n" if text and not text.endswith("\n") else f"{text}{line}\n"
    parts = [binding.original.string for binding in bindings]
    old = bindings[found[-1]]
    parts[found[-1]] = f"{_before(old)}{line}{_comment(old)}\n"
    return "".join(parts)


def drop(text: str, name: str) -> str:
    """Return the text without a variable; comments and all other lines stay.

    Raises ConfigurationError where a line of the text cannot be read.
    """
    lines = _bindings(text)
    return "".join(_before(one) if one.key == name else one.original.string for one in lines)


def merged(present: str, wanted: str) -> str:
    """Return the present text with the values of the wanted one; without one, the wanted text."""
    old, new = parse(present), parse(wanted)
    if not old:
        return wanted
    for name, value in new.items():
        if old.get(name) != value:
            present = put(present, name, value.reveal())
    return present


def differences(path: Path, text: str) -> list[str]:
    """Name the variables whose values in `path` differ from those of `text`."""
    old, new = read_variables(path), parse(text)
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def refuse_changed(path: Path, loaded: Mapping[str, Secret]) -> None:
    """Refuse to write over what somebody has changed since the file was read.

    Raises ConfigurationError.
    """
    if read_variables(path) != loaded:
        what = "has been changed since this run began"
        raise ConfigurationError(f"env/{path.name}", what, "run it again")


def write(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone (0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _bindings(text: str) -> list[Binding]:
    """Read all lines: a quote that nobody closes would swallow what is added below it."""
    found = list(parse_stream(io.StringIO(text)))
    for binding in found:
        if binding.error:
            raise ConfigurationError(
                f"env file, line {binding.original.line}", "cannot be read", "mend it by hand"
            )
    return found


def _before(binding: Binding) -> str:
    """Return the blank lines above a variable."""
    lines = binding.original.string
    return lines[: len(lines) - len(lines.lstrip())]


def _comment(binding: Binding) -> str:
    """Return the comment behind a variable, with the blanks before it."""
    line = binding.original.string
    found = COMMENT.search(line)
    if not found:
        return ""
    bare = list(parse_stream(io.StringIO(line[: found.start()])))
    same = [(one.key, one.value) for one in bare] == [(binding.key, binding.value)]
    return found[0] if same else ""


def _filter(value: object) -> str:
    return quoted(value.reveal() if isinstance(value, Secret) else str(value))
