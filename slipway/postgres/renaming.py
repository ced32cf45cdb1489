"""Write the SQL that switches from one database to another (pure)."""

# Every value passes identifier() or literal():
# ruff: noqa: S608

from dataclasses import dataclass

from slipway.postgres.names import Names
from slipway.postgres.quoting import identifier, literal

NOW = "SELECT extract(epoch FROM clock_timestamp()) * 1000"
# A web request lets its connection rest for less than this between two queries.
IDLE = "200 ms"


@dataclass(frozen=True, slots=True)
class Switch:
    """Hold which database takes whose place: the renames, in their order.

    What is put `aside` by them nobody needs.
    """

    live: str
    arriving: str
    steps: tuple[tuple[str, str], ...]
    aside: str = ""


def arrival(names: Names, *, previous: bool) -> Switch:
    """Let the incoming database serve; `previous` says whether an older one is kept now.

    That one is only renamed: it can be dropped once nobody needs it any more.
    """
    first = ((names.previous, names.outdated),) if previous else ()
    steps = (*first, (names.live, names.previous), (names.incoming, names.live))
    return Switch(names.live, names.incoming, steps, names.previous if previous else "")


def undoing(names: Names) -> Switch:
    """Let the previous database serve again, and keep the one that serves as the previous."""
    aside = names.outdated
    steps = ((names.live, aside), (names.previous, names.live), (aside, names.previous))
    return Switch(names.live, names.previous, steps)


def renames(switch: Switch, patience: str, locked: str) -> str:
    """Write the switch: one message, so one transaction, between two readings of the clock.

    Where the server refuses it, or does not manage it within `patience`, or waits longer than
    `locked` for a lock, the last row holds `refused`, the SQLSTATE and the server's words.
    """
    message = ["BEGIN", f"SET LOCAL statement_timeout = {literal(patience)}"]
    message += [f"SET LOCAL lock_timeout = {literal(locked)}"]
    message += [
        f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)}" for old, new in switch.steps
    ]
    message += ["COMMIT"]
    refused = "ROLLBACK;\nSELECT 'refused', :'state', :'words';"
    # A psql before 15 shows the last answer of a message alone.
    return (
        f"{NOW};\n" + "\\;\n".join(message) + ";\n\\set refused :ERROR\n\\set state :SQLSTATE\n"
        f"\\set words :LAST_ERROR_MESSAGE\n\\if :refused\n{refused}\n\\else\n{NOW};\n\\endif"
    )


def end_resting(switch: Switch) -> str:
    """End the connections that have had nothing to do for a while."""
    body = f"""
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname IN ({literal(switch.live)}, {literal(switch.arriving)}, {literal(switch.aside)})
        AND (usename = current_user OR current_setting('is_superuser') = 'on')
        AND state = 'idle' AND state_change < clock_timestamp() - interval '{IDLE}';
END"""
    return f"DO {literal(body)};"


def end_all(switch: Switch, seconds: float, *, idle: bool = False) -> str:
    """End all connections, again and again, until the switch is made or `seconds` are over.

    With `idle` only those are ended that are between two transactions.

    Answers with the moment of the beginning. The databases are told by number: after the
    switch their names mean others.
    """
    live, incoming = literal(switch.live), literal(switch.arriving)
    waiting = f"EXISTS (SELECT FROM pg_database WHERE oid = new AND datname = {incoming})"
    chosen = "state = 'idle'" if idle else "true"
    body = f"""
DECLARE
    old oid := (SELECT oid FROM pg_database WHERE datname = {live});
    new oid := (SELECT oid FROM pg_database WHERE datname = {incoming});
    aside oid := (SELECT oid FROM pg_database WHERE datname = {literal(switch.aside)});
    deadline timestamptz := clock_timestamp() + interval '{seconds} s';
BEGIN
    WHILE clock_timestamp() < deadline AND {waiting} LOOP
        PERFORM pg_stat_clear_snapshot();
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE (datid IN (old, aside) OR (datid = new AND {waiting})) AND {chosen}
            AND (usename = current_user OR current_setting('is_superuser') = 'on');
        PERFORM pg_sleep(0.01);
    END LOOP;
END"""
    return f"{NOW};\nDO {literal(body)};"
