"""Cut tables into parts, and tell which of them two databases share (pure)."""

# Every name comes quoted from the server:
# ruff: noqa: S608

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from slipway.postgres.quoting import literal
from slipway.postgres.tables import (
    INTEGERS,
    PLAIN,
    Table,
    fingerprinted,
    hashed,
    loading,
    reading,
    unload,
    writing,
)

# A smaller table is sent sooner than it is compared.
SMALLEST = 1 << 18
# A part of so many bytes costs about a fiftieth of them to compare.
PART, MOST = 1 << 10, 1 << 20
UNKNOWN_ROW = 200
WEAK = 1 << 32
SAID = "\\pset tuples_only on\n\\pset format unaligned\n"
UNTRIGGERED = "SET session_replication_role = replica;"

# The number of the table, of the part, how many rows it has, the sum of their hashes.
Sum = tuple[int, int, int, int]


@dataclass(slots=True)
class Shared:
    """Hold what two databases have in common of one table.

    `count` and `total` are the source's. `changed` are the parts that differ, or that only one
    side has; their `sent` rows come from the source. Where nothing is shared it is `whole`.
    """

    table: Table
    count: int = 0
    total: int = 0
    sent: int = 0
    changed: list[int] = field(default_factory=list)
    whole: bool = False

    @property
    def fingerprint(self) -> str:
        """Return what the verification compares."""
        return f"{self.count}:{self.total}"

    @property
    def reused(self) -> int:
        """Return how many rows need not be sent."""
        return 0 if self.whole else self.count - self.sent

    @property
    def worth_it(self) -> bool:
        """Return whether more is shared than not."""
        return self.reused > self.sent


def candidates(source: Sequence[Table], live: Sequence[Table]) -> list[Table]:
    """Return the source's tables that are worth comparing with those of the live database."""
    there = {table.name: table for table in live}
    return [
        table
        for table in source
        if table.size >= SMALLEST
        and table.copied
        and table.name in there
        and (there[table.name].columns, there[table.name].key) == (table.columns, table.key)
        and there[table.name].size >= SMALLEST
    ]


def sums(tables: Sequence[Table], *, same_encoding: bool, weak: bool = False) -> list[str]:
    """Write the statements that write the sums of all parts to standard output, in order.

    With `weak` they are short ones: enough to compare with.
    """
    total = "coalesce(sum(hash), 0)"
    total = f"mod({total}, {WEAK})" if weak else total
    # With OFFSET the hashes are computed first; else whole rows would be sorted, on the disk.
    return [
        f"COPY (SELECT {number}, part, count(*), {total} FROM "
        f"(SELECT {_part(table, same_encoding)} AS part, "
        f"{fingerprinted(table, same_encoding)} AS hash FROM ONLY {table.name} OFFSET 0) AS rows "
        "GROUP BY part ORDER BY part) TO STDOUT"
        for number, table in enumerate(tables)
    ]


def compared(
    tables: Sequence[Table], source: Iterable[Sum], live: Iterable[Sum]
) -> dict[str, Shared]:
    """Compare the sums of both sides as they come, and return what is shared, by table."""
    found = [Shared(table) for table in tables]
    others = iter(live)
    other = next(others, None)
    for number, part, count, total in source:
        while other and other[:2] < (number, part):
            found[other[0]].changed.append(other[1])
            other = next(others, None)
        one = found[number]
        one.count, one.total = one.count + count, one.total + total
        if other and other[:2] == (number, part):
            equal, other = other[2:] == (count, _weak(total)), next(others, None)
        else:
            equal = False
        if not equal:
            one.changed.append(part)
            one.sent += count
    while other:
        found[other[0]].changed.append(other[1])
        other = next(others, None)
    for one in found:
        one.whole = not one.worth_it
    return {one.table.name: one for one in found}


def read(line: bytes) -> Sum:
    """Read a line of what sums() asks for."""
    number, part, count, total = map(int, line.split(b"\t"))
    return number, part, count, total


@dataclass(frozen=True, slots=True)
class Choice:
    """Write which rows are read from a snapshot: those that are `kept`, or those that changed."""

    snapshot: str
    kept: bool
    same_encoding: bool

    def one(self, shared: Shared) -> list[str]:
        """Write the statements that write the rows of a table to standard output."""
        table = shared.table
        if not shared.changed:
            return unload(table, self.snapshot)
        copy = writing(table, self._rows(shared))
        return [PLAIN, *reading(self.snapshot), copy, "COMMIT"]

    def many(self, shared: Sequence[Shared], owner: str, *, instead: bool = False) -> list[str]:
        """Write the statements that write SQL which fills tables; `owner` is a quoted name.

        The rows take the place of what changed there with `instead`; no trigger fires then.
        """
        written = [SAID + PLAIN, *reading(self.snapshot)]
        # What is deleted there must be told as it was compared.
        written += [f"SELECT {literal(PLAIN + UNTRIGGERED)}"] if instead else []
        for one in shared:
            *before, load, commit = loading(one.table, owner, more=not self.kept)
            before += [f"DELETE FROM ONLY {one.table.name}{self._where(one)}"] if instead else []
            begin = ";\n".join([*before, f"{load};"])
            written += [f"SELECT {literal(begin)}", f"COPY {self._rows(one)} TO STDOUT"]
            written += [f"SELECT {literal(chr(92) + '.' + chr(10) + commit)} || ';'"]
        return [*written, "COMMIT"]

    def _rows(self, shared: Shared) -> str:
        table = shared.table
        if not shared.changed:
            return table.to_copy
        return f"(SELECT {table.copied} FROM ONLY {table.name}{self._where(shared)})"

    def _where(self, shared: Shared) -> str:
        if not shared.changed:
            return ""
        numbers = literal("{" + ",".join(map(str, shared.changed)) + "}")
        changed = f"({_part(shared.table, self.same_encoding)} = ANY ({numbers}::bigint[]))"
        # PostgreSQL 14 looks through all of them for each row where it is negated otherwise.
        return f" WHERE {changed} IS NOT TRUE" if self.kept else f" WHERE {changed}"


def _part(table: Table, same_encoding: bool) -> str:
    """Write which part a row belongs to: neighbours by number, or those with a similar hash."""
    rows = table.rows if table.rows > 0 else table.size / UNKNOWN_ROW
    parts = max(1, min(MOST, rows, table.size // PART))
    kinds = {name: kind for name, kind, _ in table.columns}
    if len(table.key) == 1 and kinds[table.key[0]] in INTEGERS:
        return f"({table.key[0]}::int8 >> {max(0, int(rows / parts).bit_length() - 1)})"
    columns = [one for one in table.columns if not table.key or one[0] in table.key]
    return f"({hashed(columns, same_encoding)} & {(1 << int(parts).bit_length()) - 1})"


def _weak(total: int) -> int:
    """Return the remainder with the sign that the server gives it."""
    return total % WEAK if total >= 0 else -(-total % WEAK)


def fingerprints(shared: Mapping[str, Shared]) -> dict[tuple[str, str], str]:
    """Return the fingerprints of the tables that were compared, as an inventory."""
    return {("table", name): one.fingerprint for name, one in shared.items()}
