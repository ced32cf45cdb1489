"""Put the database that arrived in the place of the one that serves."""

import time
from contextlib import suppress

from slipway.errors import DatabaseError
from slipway.postgres.renaming import Switch, end_all, end_resting, renames
from slipway.postgres.session import Session

POLITE_SECONDS = 1.0
GENTLE_SECONDS, GENTLE_ATTEMPTS = 0.25, 8
FORCED_SECONDS, BURST_SECONDS = 10.0, 1.0
PAUSE = 0.02
# New connections wait as long as an attempt lasts, or waits for a lock: it is given up early.
POLITE, GENTLE, FORCED = ("20ms", "15ms"), ("250ms", "200ms"), ("1s", "500ms")
OBJECT_IN_USE, QUERY_CANCELED, LOCKED = "55006", "57014", "55P03"


class Blocked(Exception):
    """Tell that somebody holds a lock on one of the databases themselves."""


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
    try:
        took = _politely(admin, step)
        if took is None:
            took = _gently(admin, second, step)
        if took is None:
            took = _by_force(admin, second, step)
    except Blocked:
        # Whoever holds the lock may be connected to another database, and is not ended.
        what = "somebody's open transaction has changed the database itself (GRANT, COMMENT, ALTER)"
        hint = "end it: SELECT * FROM pg_stat_activity WHERE xact_start IS NOT NULL"
        raise DatabaseError(step.live, what, f"the old database serves on; {hint}") from None
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
        with suppress(Blocked):
            for begin, end in _attempt(admin, step, POLITE):
                return end - begin
        time.sleep(PAUSE)
    # Once more with patience: before anybody is ended for nothing, a lock is found.
    for begin, end in _attempt(admin, step, GENTLE):
        return end - begin
    return None


def _gently(admin: Session, second: Session, step: Switch) -> float | None:
    for _ in range(GENTLE_ATTEMPTS):
        second.post(end_all(step, GENTLE_SECONDS, idle=True))
        try:
            moments = _attempt(admin, step, GENTLE)
        finally:
            second.receive()
        for begin, end in moments:
            return end - begin
        # Whoever waited for the attempt goes on now, and others' transactions end.
        time.sleep(GENTLE_SECONDS)
    return None


def _by_force(admin: Session, second: Session, step: Switch) -> float:
    begins: list[float] = []
    deadline = time.monotonic() + FORCED_SECONDS
    while time.monotonic() < deadline:
        second.post(end_all(step, BURST_SECONDS))
        try:
            moments = _attempt(admin, step, FORCED)
        finally:
            begins.append(float(second.receive()[0][0]))
        for _, end in moments:
            return end - begins[0]
    what = f"its clients could not be ended within {FORCED_SECONDS:g} s"
    raise DatabaseError(step.live, what, "the old database serves on; try it at a calmer time")


def _attempt(admin: Session, step: Switch, patience: tuple[str, str]) -> list[tuple[float, float]]:
    """Try the switch; return the moments of its begin and end, nothing where it failed.

    Raises Blocked where it waited for a lock.
    """
    rows = admin.query(renames(step, *patience))
    if rows[-1][0] != "refused":
        return [(float(rows[0][0]), float(rows[1][0]))]
    _, state, words = rows[-1]
    if state in {OBJECT_IN_USE, QUERY_CANCELED}:
        return []
    if state == LOCKED:
        raise Blocked
    raise DatabaseError(step.live, words, "the old database serves on")
