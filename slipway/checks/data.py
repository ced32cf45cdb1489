"""Look at an environment's storage and database without changing them."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from slipway import dsn, variables
from slipway.checks.services import ago
from slipway.command import Shell
from slipway.console import size
from slipway.environment import Environment
from slipway.findings import Finding
from slipway.objects import reach
from slipway.objects.listing import Object
from slipway.objects.shards import Disordered
from slipway.postgres import server
from slipway.postgres.names import Names
from slipway.postgres.quoting import literal
from slipway.postgres.server import Client

GROUP = "Data"
# A bucket with millions of objects is not counted to its end.
COUNT_SECONDS = 10.0
DATABASE_HOST = "db"


def storage(environment: Environment, patience: float = COUNT_SECONDS) -> list[Finding]:
    """List the storage with the site's own key, and count what is there.

    Raises StorageError where it cannot be reached, ConfigurationError for a bad DSN.
    """
    address = variables.storage(environment)
    if isinstance(address, dsn.FileDsn):
        return [Finding(GROUP, "storage", "ok", folder(address))]
    bucket = reach.bucket_of(environment)
    try:
        count, total, whole = counted(bucket.listing().objects, patience)
    except Disordered:
        count, total, whole = counted(bucket.listing(None).objects, patience)
    least = "" if whole else "at least "
    text = f"{bucket.label}: {least}{count:,} file{'s' * (count != 1)}, {size(total)}"
    facts = {"reachable": True, "files": count, "bytes": total, "counted_all": whole}
    return [Finding(GROUP, "storage", "ok", text, facts={"storage": facts})]


def folder(address: dsn.FileDsn) -> str:
    """Say where a storage is that has no server of its own (pure)."""
    return f"{address.path}, a folder on the host's own disk"


def counted(objects: Iterable[Object], patience: float) -> tuple[int, int, bool]:
    """Return how many objects and bytes there are, and whether time was enough for all."""
    count = total = 0
    end = time.monotonic() + patience
    for one in objects:
        if time.monotonic() > end:
            return count, total, False
        count, total = count + 1, total + one.size
    return count, total, True


def database(environment: Environment, shell: Shell) -> list[Finding]:
    """Ask the database service for the size of the site's database, and what is kept beside it.

    Raises ConfigurationError, DatabaseError or HostError.
    """
    where = f"env/{environment.name}.env: DATABASE_URL"
    url = dsn.database(environment.variable("DATABASE_URL"), where)
    if url.host != DATABASE_HOST:
        text = f"{url.name} on {url.host}, which is not looked after here"
        return [Finding(GROUP, "database", "ok", text, facts={"database": {"name": url.name}})]
    client = Client(shell, server.deployed(shell, environment))
    query = f"SELECT pg_database_size({literal(url.name)}), count(*) FROM pg_stat_activity"  # noqa: S608
    query += f" WHERE datname = {literal(url.name)};"
    (taken, connections), *there = client.query(f"{query}\n{_created(Names(url.name))}")
    facts = {"name": url.name, "bytes": int(taken), "connections": int(connections)}
    text = f"{url.name}: {size(int(taken))}, {connections} connection{'s' * (connections != '1')}"
    found = Finding(GROUP, "database", "ok", text, facts={"database": facts})
    return [found, backup(Names(url.name), there, datetime.now(UTC))]


def _created(names: Names) -> str:
    """Write the query for both databases: name, bytes, second of creation; live first."""
    created = "extract(epoch FROM (pg_stat_file('base/' || oid || '/PG_VERSION')).modification)"
    those = f"{literal(names.live)}, {literal(names.previous)}"
    return (
        f"SELECT datname, pg_database_size(oid), {created} FROM pg_database"  # noqa: S608
        f" WHERE datname IN ({those}) ORDER BY datname;"
    )


def backup(names: Names, there: Sequence[Sequence[str]], now: datetime) -> Finding:
    """Say which earlier database is kept, and of when (pure).

    `there` has a row for each database: name, bytes, second of its creation. A push creates the
    database that it brings: the younger of the two tells when the last push was.
    """
    rows = {name: (int(taken), float(created)) for name, taken, created in there}
    if names.previous not in rows:
        hint = "push-db keeps what served before; 'invoke pull-db' copies it to here"
        text = f"no earlier {names.live} is kept"
        return Finding(GROUP, "backup", "warn", text, hint, {"backup": None})
    taken, created = rows[names.previous]
    # An undo-db has exchanged them where the one that is kept is the younger.
    undone = created > rows.get(names.live, rows[names.previous])[1]
    pushed = datetime.fromtimestamp(max(one for _, one in rows.values()), UTC)
    age = ago(max(now - pushed, timedelta()))
    what = f"pushed {age} ago and undone" if undone else f"from before the push {age} ago"
    facts = {
        "name": names.previous,
        "bytes": taken,
        "last_push": f"{pushed:%Y-%m-%dT%H:%M:%SZ}",
        "undone": undone,
    }
    text = f"{names.previous}: {size(taken)}, {what}"
    return Finding(GROUP, "backup", "ok", text, facts={"backup": facts})
