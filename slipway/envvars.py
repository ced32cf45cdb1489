"""Read and change the variables of env/<name>.env, and share them sealed with Ansible Vault."""

import getpass
import sys
from collections.abc import Mapping
from pathlib import Path

from slipway import envfile, variables, vault
from slipway.console import Console
from slipway.environment import Environment, read_variables
from slipway.errors import ConfigurationError
from slipway.secrets import Secret


def env_vars(
    environment: Environment,
    console: Console,
    *,
    get: str = "",
    set_: str = "",
    unset: str = "",
    diff: str = "",
    seal: bool = False,
    unseal: bool = False,
) -> None:
    """List the variables with hidden values, or do the one thing that was asked for.

    `get` prints one value. `set_` is NAME, whose value comes from standard input or is typed
    unseen, or NAME=VALUE, which other users of this machine can see while it runs. Raises
    ConfigurationError, Declined.
    """
    asked = [get, set_, unset, diff, seal, unseal]
    if sum(map(bool, asked)) > 1:
        raise ConfigurationError("env-vars", "does one thing at a time", "give one option")
    if get:
        _get(environment, console, get)
    elif set_:
        _set(environment, console, set_)
    elif unset:
        _unset(environment, console, unset)
    elif diff:
        _diff(environment, console, diff)
    elif seal:
        _seal(environment, console)
    elif unseal:
        _unseal(environment, console)
    else:
        _list(environment, console)


def _list(environment: Environment, console: Console) -> None:
    names = sorted(environment.variables)
    for name in names:
        console.say(f"{name}=***")
    if not names:
        console.say(f"{_where(environment)} holds no variables")
    console.result({"environment": environment.name, "names": names})


def _get(environment: Environment, console: Console, name: str) -> None:
    value = _known(environment, name).reveal()
    if not console.as_json:
        sys.stdout.write(value + "\n")
    console.result({"environment": environment.name, "names": [name], "value": value})


def _set(environment: Environment, console: Console, assignment: str) -> None:
    name, given, value = assignment.partition("=")
    if not envfile.NAME.fullmatch(name):
        raise ConfigurationError(
            "--set", f"{name!r} is no name of a variable", "take letters, digits and _"
        )
    if not given:
        value = _typed(name)
    if "\0" in value:
        raise ConfigurationError(f"--set {name}", "holds a zero byte", "no variable can hold one")
    variables.check(name, value, f"--set {name}")
    _confirm(environment, console)
    _write(environment, console, name, envfile.put(_text(environment), name, value))


def _unset(environment: Environment, console: Console, name: str) -> None:
    _known(environment, name)
    _confirm(environment, console)
    _write(environment, console, name, envfile.drop(_text(environment), name))


def _diff(environment: Environment, console: Console, other: str) -> None:
    path = environment.root / "env" / f"{other}.env"
    if not path.is_file():
        raise ConfigurationError(f"env/{other}.env", "does not exist", "name another environment")
    mine, theirs = environment.variables, read_variables(path)
    only_here = sorted(mine.keys() - theirs.keys())
    only_there = sorted(theirs.keys() - mine.keys())
    differing = sorted(name for name in mine.keys() & theirs.keys() if mine[name] != theirs[name])
    console.say(f"only in {environment.name}: {', '.join(only_here) or 'none'}")
    console.say(f"only in {other}: {', '.join(only_there) or 'none'}")
    console.say(f"other values: {', '.join(differing) or 'none'}")
    fields = {"only_here": only_here, "only_there": only_there, "differing": differing}
    console.result({"environment": environment.name, "names": sorted(mine), **fields})


def _seal(environment: Environment, console: Console) -> None:
    text, path = _text(environment), _sealed(environment)
    if not text:
        raise ConfigurationError(_where(environment), "does not exist", "there is nothing to seal")
    password = vault.password(confirm=not path.is_file())
    changed = not path.is_file() or vault.unseal(path, password) != text
    if changed:
        vault.seal(path, text, password)
    console.say(f"env/{path.name} {'written: it may be committed' if changed else 'is current'}")
    console.result(_changed(environment, changed))


def _unseal(environment: Environment, console: Console) -> None:
    path = _sealed(environment)
    if not path.is_file():
        raise ConfigurationError(
            f"env/{path.name}", "does not exist", "a colleague makes it with 'env-vars --seal'"
        )
    text = vault.unseal(path, vault.password())
    names = envfile.differences(environment.env_file, text)
    if names and environment.variables:
        question = f"Replace {_where(environment)}, which differs in {', '.join(names)}?"
        console.confirm(question, type_name=environment.typed_name)
    changed = text != _text(environment)
    if changed:
        envfile.write(environment.env_file, text)
    console.say(f"{_where(environment)} {'written (0600)' if changed else 'is current'}")
    console.result(_changed(environment, changed, names))


def _write(environment: Environment, console: Console, name: str, text: str) -> None:
    changed = text != _text(environment)
    if changed:
        envfile.write(environment.env_file, text)
    where = _where(environment)
    console.say(
        f"{where}: {name} changed; it counts from the next 'invoke deploy -e {environment.name}'"
        if changed
        else f"{where}: {name} was so already"
    )
    console.result(_changed(environment, changed, [name]))


def _changed(
    environment: Environment, changed: bool, names: list[str] | None = None
) -> Mapping[str, object]:
    return {"environment": environment.name, "names": names or [], "changed": changed}


def _typed(name: str) -> str:
    """Return what standard input holds, without the line feed at its end."""
    try:
        if sys.stdin.isatty():
            value = getpass.getpass(f"{name} (not shown): ")
        else:
            value = sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"--set {name}", "is no UTF-8 text", "encode it first") from None
    except EOFError:
        value = ""
    if not value:
        # Whatever should have written it may have failed.
        hint = f"--set {name}= makes it empty, --unset {name} takes it away"
        raise ConfigurationError(f"--set {name}", "nothing was given", hint)
    return value


def _confirm(environment: Environment, console: Console) -> None:
    if environment.typed_name:
        question = "This changes the variables of the site that people use:"
        console.confirm(question, type_name=environment.typed_name)


def _known(environment: Environment, name: str) -> Secret:
    if name not in environment.variables:
        known = ", ".join(sorted(environment.variables)) or "none"
        raise ConfigurationError(_where(environment), f"has no {name}", f"known: {known}")
    return environment.variables[name]


def _text(environment: Environment) -> str:
    path = environment.env_file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _sealed(environment: Environment) -> Path:
    return environment.env_file.with_suffix(".env.vault")


def _where(environment: Environment) -> str:
    return f"env/{environment.env_file.name}"
