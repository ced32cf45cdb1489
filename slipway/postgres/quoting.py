"""Quote names and values for PostgreSQL (pure).

Sources: the chapters "Lexical Structure" and "Connection Strings" of PostgreSQL's manual.
"""

from slipway.errors import DatabaseError

LONGEST_NAME = 63
# A server elsewhere may fall silent (a failover, a router that forgets): it is noticed within a
# minute, also where nothing is asked of it for long.
WATCHED = "connect_timeout=15 keepalives_idle=15 keepalives_interval=5 keepalives_count=6"


def identifier(name: str) -> str:
    """Return a name as SQL writes it; raises DatabaseError where no such name can be."""
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        what = f"{name!r} cannot be a name in PostgreSQL"
        raise DatabaseError("", what, f"take 1 to {LONGEST_NAME} bytes")
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text as SQL writes it; raises DatabaseError where it holds a zero byte."""
    if "\0" in value:
        raise DatabaseError("", "a value holds a zero byte", "PostgreSQL cannot store it")
    quoted = "'" + value.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


def connection(database: str) -> str:
    """Return what `--dbname` takes: a name with `=` in it would be read as settings."""
    name = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{name}' {WATCHED}"


def reconnection(database: str) -> str:
    """Return the line that lets psql go on in another database of the same server."""
    quoted = connection(database).replace('"', '""')
    return f'\\connect -reuse-previous=on "{quoted}"'
