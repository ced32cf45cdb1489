"""Read which tables a database has, and write what copies and fingerprints each (pure)."""

# Every name comes quoted from the server:
# ruff: noqa: S608

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from slipway.postgres.programs import Rows
from slipway.postgres.quoting import literal
from slipway.postgres.statements import FIRST_USER_OID, OWN

# A table of this many bytes is worth a connection of its own.
LARGE = 8 << 20
# Docker gives a container 64 MB of shared memory.
FEW = 32 << 20
TOGETHER = 40
# Casts must not depend on what a database or a role sets.
SPELLED = """SET timezone = 'UTC'; SET datestyle = 'ISO';
SET intervalstyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex';
SET lc_monetary = 'C'; SET row_security = off;"""
PLAIN = f"SET search_path = pg_catalog; {SPELLED}"
INTEGERS = {"int2", "int4", "int8"}
# Their own hash sees every bit; others do not tell 1.0 from 1.00, or two spellings apart.
HASHED = {"int2", "int4", "bool", "oid", "bytea", "uuid", "date"}
# Of 64 bits their own hash sees the half: of each with its neighbour in the other half.
SENT = {"int8": "int8send", "time": "time_send"}
SENT |= {"timestamp": "timestamp_send", "timestamptz": "timestamptz_send"}
TEXTS = {"text", "varchar", "bpchar"}
# Nobody has given them a cast to text of his own.
CAST = {"numeric", "float4", "float8", "json", "jsonb", "interval", "timetz", "inet", "cidr"}

Column = tuple[str, str, str]

TABLES = f"""
SELECT json_build_object('name', format('%I.%I', n.nspname, c.relname),
    'size', pg_table_size(c.oid), 'rows', c.reltuples,
    'key', coalesce((SELECT json_agg(quote_ident(a.attname) ORDER BY a.attnum)
        FROM pg_index i JOIN pg_attribute a
            ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
        WHERE i.indrelid = c.oid AND i.indisprimary), '[]'),
    'binary', coalesce((SELECT bool_and((t.oid < {FIRST_USER_OID} AND t.typname !~ '^_?reg'
            AND t.typtype IN ('b', 'r', 'm') AND t.typsend <> 0) OR t.typtype = 'e')
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), false),
    'columns', coalesce((SELECT json_agg(json_build_array(quote_ident(a.attname),
            -- A type of the site's own may be called like one of the server's. Without a length,
            -- blanks at the end of a bpchar are stored, and not compared.
            CASE WHEN t.oid >= {FIRST_USER_OID} THEN '.' || t.typname
                WHEN t.typname = 'bpchar' AND a.atttypmod < 0 THEN 'bpchar()' ELSE t.typname END,
            a.attgenerated) ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {OWN} ORDER BY 1::text;
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Hold a table: its quoted name, bytes without indexes, and columns (name, type, generated).

    `key` are the columns of its primary key; `rows` is a guess, negative where there is none.
    `binary` says whether its values mean the same in another database as they lie on the wire:
    arrays and rows of a database's own types hold numbers of that database.
    """

    name: str
    size: int
    binary: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rows: float = -1

    @property
    def copied(self) -> str:
        """Return the columns that a copy carries: the generated ones are made anew."""
        return ", ".join(name for name, _, generated in self.columns if not generated)

    @property
    def to_copy(self) -> str:
        """Return the table with these columns, as COPY names it."""
        return f"{self.name} ({self.copied})" if self.copied else self.name


def read(rows: Rows) -> list[Table]:
    """Read the answer to TABLES."""
    found = [json.loads(text) for (text,) in rows]
    return [
        Table(
            one["name"],
            one["size"],
            one["binary"],
            tuple(map(tuple, one["columns"])),
            tuple(one["key"]),
            one["rows"],
        )
        for one in found
    ]


def named(name: str) -> str:
    """Ask which tables are meant by a name: the one, or all partitions."""
    return f"""
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (c.oid = to_regclass({literal(name)}) OR c.oid IN
    (SELECT relid FROM pg_partition_tree(to_regclass({literal(name)}))));
"""


def referring(names: Sequence[str]) -> str:
    """Ask which other tables refer to these, to which, and how to find out whether a row does."""
    those = ", ".join(literal(name) for name in names)
    return f"""
SELECT DISTINCT f.name, f.refers,
    format('SELECT EXISTS (SELECT FROM %s WHERE ROW(%s) IS NOT NULL);', f.name, f.columns)
FROM (SELECT format('%I.%I', n.nspname, c.relname) AS name,
        format('%I.%I', m.nspname, r.relname) AS refers,
        (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum = ANY (o.conkey)) AS columns
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class r ON r.oid = o.confrelid
        JOIN pg_namespace m ON m.oid = r.relnamespace
    WHERE o.contype = 'f' AND o.convalidated AND c.relkind = 'r') AS f
WHERE f.refers IN ({those}) AND f.name NOT IN ({those});
"""


def large(tables: Sequence[Table], excluded: Collection[str] = ()) -> list[Table]:
    """Return the tables that are copied by themselves, the largest first."""
    found = [t for t in tables if t.size >= LARGE and t.copied and t.name not in excluded]
    return sorted(found, key=lambda table: -table.size)


def together(tables: Sequence[Table], excluded: Collection[str] = ()) -> bool:
    """Return whether all rows are so few that they can be kept in memory."""
    return sum(table.size for table in tables if table.name not in excluded) < FEW


def unload(table: Table, snapshot: str) -> list[str]:
    """Write the statements that write a table's rows to standard output."""
    copy = writing(table, table.to_copy)
    return [PLAIN, *reading(snapshot), copy, "COMMIT"]


def reading(snapshot: str = "") -> list[str]:
    """Begin to read what another session has exported, or what there is."""
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    return [begin, f"SET TRANSACTION SNAPSHOT {literal(snapshot)}"] if snapshot else [begin]


def writing(table: Table, rows: str) -> str:
    """Write rows of a table to standard output, as load() reads them."""
    return f"COPY {rows} TO STDOUT (FORMAT {_format(table)})"


def load(table: Table, owner: str, *, more: bool = False) -> list[str]:
    """Write the statements that fill a table from standard input; `owner` is a quoted name.

    Emptied in the same transaction, it may be filled with rows that are frozen from the start.
    With `more` they are added to what is there.
    """
    return loading(table, owner, _format(table), more=more)


def loading(table: Table, owner: str, form: str = "text", *, more: bool = False) -> list[str]:
    """Write the same for rows of another form."""
    begin = ["BEGIN", f"SET LOCAL ROLE {owner}"]
    copy = f"COPY {table.to_copy} FROM STDIN (FORMAT {form}"
    if more:
        return [*begin, f"{copy})", "COMMIT"]
    return [*begin, f"TRUNCATE ONLY {table.name}", f"{copy}, FREEZE)", "COMMIT"]


def fingerprints(tables: Sequence[Table], *, same_encoding: bool = True) -> list[str]:
    """Write the queries that count each table's rows and sum their hashes, some tables in one.

    Their rows hold `table`, the name, and `count:sum`. Where both sides store texts in different
    encodings, `same_encoding` must be false on both.
    """
    queries = [_fingerprint(table, same_encoding) for table in tables]
    parts = [queries[at : at + TOGETHER] for at in range(0, len(queries), TOGETHER)]
    return ["\nUNION ALL ".join(part) + ";" for part in parts]


def fingerprinted(table: Table, same_encoding: bool) -> str:
    """Write the hash of a row, a bigint; nothing where there are no columns.

    The server adds up the hashes of columns: the sum over all rows would not tell whether two rows
    had exchanged their values of one. So each row is hashed with a seed of its own, its key, or
    its hash is hashed once more.
    """
    keys = [column for column in table.columns if column[0] in table.key]
    if not keys:
        once = hashed(table.columns, same_encoding)
        return once and f"hash_record_extended(ROW(int8send({once})), 0)"
    [(name, kind, _), *others] = keys
    plain = kind in INTEGERS and not others
    seed = f"{name}::int8" if plain else hashed(keys, same_encoding)
    return hashed(table.columns, same_encoding, seed)


def hashed(columns: Iterable[Column], same_encoding: bool, seed: str = "0") -> str:
    """Write what hashes some columns of a row; nothing where there are none."""
    # A column that is virtual is never stored.
    values = [
        _hashable(name, kind, same_encoding)
        for name, kind, generated in columns
        if generated != "v"
    ]
    return f"hash_record_extended(ROW({', '.join(values)}), {seed})" if values else ""


def _fingerprint(table: Table, same_encoding: bool) -> str:
    row = fingerprinted(table, same_encoding)
    total = f"sum({row})" if row else "NULL"
    return (
        f"SELECT 'table', {literal(table.name)}, count(*) || ':' || coalesce({total}, 0) "
        f"FROM ONLY {table.name}"
    )


def _hashable(name: str, kind: str, same_encoding: bool) -> str:
    if kind in HASHED:
        return name
    if kind in SENT:
        return f"{SENT[kind]}({name})"
    # As it travels: a cast may drop something, or keep what does not travel, as that of xml does.
    text = f"{name}::text" if kind in CAST | TEXTS else f"format('%L', {name})"
    if same_encoding:
        return f'{name if kind in TEXTS else text} COLLATE "C"'
    return f"convert_to({text}, 'UTF8')"


def _format(table: Table) -> str:
    return "binary" if table.binary else "text"
