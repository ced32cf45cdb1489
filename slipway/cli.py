"""Join a task to its flow: environment, console, questions, errors, exit code."""

import os
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.exceptions import Exit, ParseError

from slipway import interrupt
from slipway.errors import INTERRUPTED, OK, PAGE, TOLD_MORE, SlipwayError

if TYPE_CHECKING:
    from slipway.console import Console

ROOT = Path(__file__).resolve().parent.parent


def call(
    target: str,
    *,
    env: str = "",
    yes: bool = False,
    json: bool = False,
    ask: str | None = "",
    **options: object,
) -> None:
    """Run the flow `module:function` and end the process with its exit code.

    The flow gets the environment `env` (or, without one, the repository's root), the console
    and the options. `ask` is a question that must be answered first; for live its name must be
    typed; with None the flow asks by itself. Every problem becomes one line and an exit code
    that errors.py lists.
    """
    from slipway.console import Console

    console = Console(as_json=json, assume_yes=yes)
    try:
        code = _run(target, console, env, ask, options)
    except Exit as error:
        failure = error
    except KeyboardInterrupt:
        failure = Exit(f"stopped by Ctrl-C; {interrupt.advice()}", INTERRUPTED)
    except Exception as error:
        failure = _unexpected(error)
    else:
        if code != OK:
            sys.exit(code)
        return
    console.result({"error": str(failure.message), "exit_code": failure.code})
    raise Exit(_with_page(str(failure.message), failure.code), failure.code) from None


def refuse_mistyped(tasks: Collection[str], words: Sequence[str]) -> None:
    """Name the nearest task where the first word is none; raises ParseError.

    Invoke itself would only say that it has no idea. What resembles no task is left to it.
    """
    if words and words[0] not in tasks and not words[0].startswith("-"):
        for nearest in get_close_matches(words[0], tasks, n=1):
            raise ParseError(f"no task {words[0]!r}; did you mean {nearest!r}? 'invoke --list'")


def _run(
    target: str, console: "Console", env: str, ask: str | None, options: dict[str, object]
) -> int:
    from slipway import environment

    subject: object = ROOT
    if env:
        subject = loaded = environment.load(env, ROOT)
        if ask or (loaded.typed_name and ask is not None):
            question = ask or "This changes the site that people use:"
            console.confirm(question.format(env=env), type_name=loaded.typed_name)
    module, _, function = target.partition(":")
    code = getattr(import_module(f"slipway.{module}"), function)(subject, console, **options)
    return code if isinstance(code, int) else OK


def _with_page(message: str, code: int) -> str:
    """Name the page that helps, where the message names none."""
    return f"{message} ({PAGE})" if code in TOLD_MORE and "docs/" not in message else message


def _unexpected(error: Exception) -> Exit:
    if os.environ.get("SLIPWAY_DEBUG"):
        raise error
    if isinstance(error, OSError) and error.strerror:
        where = str(error.filename or "this machine")
        return SlipwayError(where, error.strerror, "mend that and run it again")
    what = f"unexpected {type(error).__name__}: {error}"
    return SlipwayError("slipway", what, "SLIPWAY_DEBUG=1 shows where it happened")
