"""Put the database that arrived in the place of the one that serves."""

import time

from slipway.errors import DatabaseError
from slipway.postgres.renaming import Switch, end_all, end_resting, renames
from slipway.postgres.session import Session

POLITE_SECONDS = 1.0
GENTLE_SECONDS, GENTLE_ATTEMPTS = 0.25, 8
FORCED_SECONDS = 10.0
PAUSE = 0.02
# New connections wait as long as an attempt lasts, so it is given up early.
POLITE, GENTLE, FORCED = "20ms", "250ms", "0"
OBJECT_IN_USE, QUERY_CANCELED = "55006", "57014"


def switch(admin: Session, second: Session, step: Switch) -> float:
    """Let another database serve in one step; return the downtime in ms.

    For POLITE_SECONDS only resting connections are ended and the step is tried in the gaps
    between requests; then those between two transactions are; at last all are. Raises
    DatabaseError where even that does not help: the old database goes on serving. Downtime
    counts from the attempt that succeeded, or from the first working connection that was
    ended, to the commit.
    """
    # Waiting for the disk would only lengthen the gap: what is lost in a crash is the switch.
    admin.query("SET synchronous_commit = off;")
    took = _politely(admin, step)
    if took is None:
        took = _gently(admin, second, step)
    if took is None:
        took = _by_force(admin, second, step)
    # The next commit that waits for the disk takes the switch along.
    admin.ask(
        "SET synchronous_commit = on;",
        "SELECT pg_logical_emit_message(true, 'slipway', 'switched');",
    )
    return took


def _politely(admin: Session, step: Switch) -> float | None:
    deadline = time.monotonic() + POLITE_SECONDS
    while time.monotonic() < deadline:
        admin.query(end_resting(step))
        for begin, end in _attempt(admin, step, POLITE):
            return end - begin
        time.sleep(PAUSE)
    return None


def _gently(admin: Session, second: Session, step: Switch) -> float | None:
    for _ in range(GENTLE_ATTEMPTS):
        second.post(end_all(step, GENTLE_SECONDS, idle=True))
        moments = _attempt(admin, step, GENTLE)
        second.receive()
        for begin, end in moments:
            return end - begin
        # Whoever waited for the attempt goes on now, and others' transactions end.
        time.sleep(GENTLE_SECONDS)
    return None


def _by_force(admin: Session, second: Session, step: Switch) -> float:
    second.post(end_all(step, FORCED_SECONDS))
    moments: list[tuple[float, float]] = []
    begin = time.monotonic()
    while not moments and time.monotonic() < begin + FORCED_SECONDS:
        moments += _attempt(admin, step, FORCED)
    began = float(second.receive()[0][0])
    if moments:
        return moments[0][1] - began
    what = f"its clients could not be ended within {FORCED_SECONDS:g} s"
    raise DatabaseError(step.live, what, "the old database serves on; try it at a calmer time")


def _attempt(admin: Session, step: Switch, patience: str) -> list[tuple[float, float]]:
    """Try the switch; return the moments of its begin and end, nothing where it failed."""
    rows = admin.query(renames(step, patience))
    if rows[-1][0] != "refused":
        return [(float(rows[0][0]), float(rows[1][0]))]
    _, state, words = rows[-1]
    if state in {OBJECT_IN_USE, QUERY_CANCELED}:
        return []
    raise DatabaseError(step.live, words, "the old database serves on")
