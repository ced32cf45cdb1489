"""Move databases between this machine and an environment: beside, verified, switched."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from slipway import engine
from slipway.command import Shell
from slipway.console import Console, size
from slipway.environment import Environment
from slipway.errors import ConfigurationError
from slipway.interrupt import cleans_up
from slipway.lease import lease
from slipway.postgres import cutover, server
from slipway.postgres.ends import Ends, find, find_back, find_target
from slipway.postgres.move import Moved, move, restore_file
from slipway.postgres.names import Names
from slipway.postgres.server import Server

JSON = dict[str, object]
PUSHES, SWITCHES = "pushes a database", "switches databases"


def push_db(
    environment: Environment,
    console: Console,
    *,
    url: str = "",
    dump: str = "",
    ends: Ends | None = None,
) -> JSON:
    """Replace the environment's database, print the result, return its fields.

    The new one is the local one, or the one at `url`, or what the file `dump` holds. The old
    database serves until the new one is there and verified, and is kept. Raises DatabaseError,
    HostError, DeployError where somebody deploys, or ConfigurationError; the live database is
    untouched then.
    """
    begin, shell = time.monotonic(), Shell()
    if url and dump:
        raise ConfigurationError("--from, --dump", "both name a source", "give one of them")
    url = sys.stdin.readline().strip() if url == "-" else url
    what = dump or ("a database elsewhere" if url else "the local database")
    console.title(f"Push {what} to {environment.name} ({environment.site.url})")
    if ends is None:
        ends = find_target(shell, environment) if dump else find(shell, environment, url)
    with (
        cleans_up(),
        server.reached(shell, ends.source) as source,
        server.reached(shell, ends.target) as target,
    ):
        ends = replace(ends, source=source, target=target)
        held = _leased(shell, environment, target, PUSHES)
        if dump:
            moved = restore_file(shell, console, ends, Path(dump), held=held)
        else:
            moved = move(shell, console, ends, held=held)
    return _told(console, moved, {"bytes_sent": moved.bytes}, begin)


def pull_db(
    environment: Environment,
    console: Console,
    *,
    exclude_data: Sequence[str] = (),
    ends: Ends | None = None,
) -> JSON:
    """Replace the local database by the environment's, print the result, return its fields.

    It is copied beside, verified and switched to as by push_db, and the environment's is only
    read. Of the tables in `exclude_data` only the definition is copied. Raises DatabaseError,
    HostError or ConfigurationError; the local database is untouched then.
    """
    begin, shell = time.monotonic(), Shell()
    console.title(f"Pull the database of {environment.name} ({environment.site.url})")
    ends = ends or find_back(shell, environment)
    names = [name for words in exclude_data for name in words.split(",") if name]
    with cleans_up(), server.reached(shell, ends.source) as source:
        moved = move(shell, console, replace(ends, source=source), excluded=names)
    return _told(console, moved, {"bytes_received": moved.bytes}, begin)


def undo_db(
    environment: Environment,
    console: Console,
    *,
    local: bool = False,
    drop_previous: bool = False,
    ends: Ends | None = None,
) -> JSON:
    """Let the previous database serve again, print the result, return its fields.

    What served is the previous one then: doing it twice changes nothing. With `drop_previous`
    the previous one is dropped instead; with `local` it is this machine's databases that are
    meant. Raises DatabaseError, HostError or ConfigurationError.
    """
    begin, shell = time.monotonic(), Shell()
    found, names = _served(shell, environment, local, ends)
    console.title(f"{'Drop' if drop_previous else 'Go back to'} {names.previous} ({found.where})")
    with (
        cleans_up(),
        server.reached(shell, found) as reached,
        cutover.opened(
            shell, reached, names, console.warn, _leased(shell, environment, reached, SWITCHES)
        ) as opened,
    ):
        if drop_previous:
            opened.drop_previous()
        else:
            downtime = opened.undo()
    fields: JSON = {"seconds": round(time.monotonic() - begin, 3)}
    if drop_previous:
        fields |= {"dropped": names.previous}
        console.say(f"{names.previous} is dropped; there is nothing to go back to now")
    else:
        fields |= {"downtime_ms": round(downtime, 1), "previous": names.previous}
        console.say(
            f"switched back in {max(downtime, 1):.0f} ms; what served is {names.previous} now"
        )
    console.result(fields)
    return fields


def _told(console: Console, moved: Moved, extra: JSON, begin: float) -> JSON:
    fields: JSON = {
        "tables": moved.content.tables,
        "rows": moved.content.rows,
        **extra,
        "rows_reused": moved.reused,
        "seconds": round(time.monotonic() - begin, 3),
        "downtime_ms": round(moved.downtime, 1),
        "previous": moved.previous,
    }
    known = f" ({moved.reused} rows were there already)" if moved.reused else ""
    console.say(
        f"{moved.content.counted}, {size(moved.bytes)} copied{known}, verified, switched "
        f"in {max(moved.downtime, 1):.0f} ms; the old database is kept as {moved.previous}"
    )
    console.result(fields)
    return fields


@contextmanager
def _leased(
    shell: Shell, environment: Environment, target: Server, reason: str
) -> Iterator[Callable[[], object]]:
    """Keep deploys away meanwhile; yields what raises where another run took over.

    What is on this machine, or on hosts that are no Swarm, nobody deploys to.
    """
    if not target.host:
        yield lambda: None
        return
    with engine.on_host(shell, environment.manager) as manager, engine.refusals(manager):
        if not manager.client.info()["Swarm"].get("ControlAvailable"):
            yield lambda: None
            return
        with lease(manager, environment.stack, reason) as held:
            yield held.check


def _served(
    shell: Shell, environment: Environment, local: bool, ends: Ends | None
) -> tuple[Server, Names]:
    """Return the server whose databases are meant, and their names."""
    if ends:
        return ends.target, ends.names
    if local:
        here, database = server.local(environment)
        return here, Names(database)
    found = find_target(shell, environment)
    return found.target, found.names
