"""Say what was found in order, what was not, and what to do next; judge the whole (pure)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any, Literal

from slipway.errors import OK, UNHEALTHY

State = Literal["ok", "warn", "fail", "skip"]
MARKS: dict[State, str] = {"ok": "✓", "warn": "!", "fail": "✗", "skip": "·"}
WIDTH = 80
NAME_WIDTH = 14
# The next step stands below what was found.
ARROW = "→ "


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one thing that was looked at: where, its name, how it is, and the next step.

    `fail`: something does not work. `warn`: it works, but wants attention. `skip`: it could
    not be looked at, for the reason given. `facts` are what `--json` adds.
    """

    where: str
    name: str
    state: State
    text: str
    hint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the finding for `--json`, its facts left out."""
        found: dict[str, object] = {"where": self.where, "name": self.name, "state": self.state}
        return {**found, "text": self.text, "next": self.hint}


def lines(findings: Iterable[Finding], width: int = WIDTH) -> list[str]:
    """Return the findings as lines of at most `width` characters, grouped by where."""
    found = list(findings)
    text: list[str] = []
    for where in dict.fromkeys(one.where for one in found):
        text.append(where)
        for one in (one for one in found if one.where == where):
            text += _lines(one, width)
    return text


def show(findings: Sequence[Finding], out: Callable[..., None]) -> None:
    """Print the findings and their sum through the `print` of a Rich console."""
    for line in [*lines(findings), summary(findings)]:
        out(line, markup=False)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0, or 11 where something does not work."""
    return UNHEALTHY if any(one.state == "fail" for one in findings) else OK


def summary(findings: Sequence[Finding]) -> str:
    """Return how many were looked at, in one line."""
    counts = {state: sum(one.state == state for one in findings) for state in MARKS}
    words = [f"{counts['ok']} in order"]
    words += [f"{counts['warn']} to look at"] if counts["warn"] else []
    words += [f"{counts['fail']} broken"] if counts["fail"] else []
    words += [f"{counts['skip']} not checked"] if counts["skip"] else []
    return ", ".join(words)


def _lines(one: Finding, width: int) -> list[str]:
    first = f"  {MARKS[one.state]} {one.name:<{NAME_WIDTH}} "
    indent = " " * len(first)
    text = wrap(
        one.text, width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    )
    hint = wrap(
        one.hint, width, initial_indent=indent + ARROW,
        subsequent_indent=indent + " " * len(ARROW), break_on_hyphens=False,
    )  # fmt: skip
    return [*(text or [first.rstrip()]), *hint]
