"""Run checks at the same time; whatever happens to one of them, all others are shown."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Thread

from slipway.errors import ConfigurationErrors, SlipwayError
from slipway.findings import Finding

SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Check:
    """Name a check, and say how it is run."""

    where: str
    name: str
    run: Callable[[], Iterable[Finding]]


def run(checks: Sequence[Check], patience: float = SECONDS) -> list[Finding]:
    """Run all checks side by side and return what they found, in their order.

    A check that raises, or gives no answer for `patience` seconds, is a finding too.
    """
    found: dict[int, list[Finding]] = {}
    threads = [
        Thread(target=_run, args=(check, number, found), daemon=True)
        for number, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    done = dict(found)
    return [
        finding
        for number, check in enumerate(checks)
        for finding in done.get(number, [_late(check, patience)])
    ]


def failures(check: Check, error: Exception) -> list[Finding]:
    """Turn what a check raised into findings."""
    if isinstance(error, ConfigurationErrors):
        return [finding for one in error.problems for finding in failures(check, one)]
    if isinstance(error, SlipwayError):
        # The group says already where it is.
        where = "" if error.where in ("", check.where) else f"{error.where}: "
        return [Finding(check.where, check.name, "fail", f"{where}{error.what}", error.hint)]
    said = f"{type(error).__name__}: {error}"
    hint = "mend that, and run it again" if isinstance(error, OSError) else "report this"
    return [Finding(check.where, check.name, "fail", said, hint)]


def _run(check: Check, number: int, found: dict[int, list[Finding]]) -> None:
    try:
        found[number] = list(check.run())
    except Exception as error:
        found[number] = failures(check, error)


def _late(check: Check, patience: float) -> Finding:
    return Finding(
        check.where, check.name, "fail", f"gave no answer within {patience:.0f} s", "try again"
    )
