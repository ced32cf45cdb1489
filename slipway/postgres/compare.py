"""Compare what arrived with what was sent (pure)."""

from dataclasses import dataclass

from slipway.postgres.programs import Rows

PUSHED = (
    "the local database lacks {}; migrate it now, or run 'invoke deploy' afterwards",
    "the environment does not know {} yet; deploy that code",
)
PULLED = (
    "the environment lacks {}; run 'invoke local.manage migrate' afterwards",
    "the local database does not know {} yet; pull that code",
)
DUMPED = (
    "the dump lacks {}; run 'invoke deploy' afterwards",
    "the environment does not know {} yet; deploy that code",
)
UNDONE = (
    "what serves from now on lacks {}; 'invoke deploy' migrates it, "
    "or go back to the code before as well",
    "what serves from now on has {}, which what served has not; the code must know it",
)
Inventory = dict[tuple[str, str], str]
Sequences = dict[str, int | None]


@dataclass(frozen=True, slots=True)
class Content:
    """Hold what a database contains: its objects (tables with their rows), its sequences."""

    objects: Inventory
    sequences: Sequences

    @property
    def tables(self) -> int:
        """Return how many tables there are."""
        return sum(1 for kind, _ in self.objects if kind == "table")

    @property
    def counted(self) -> str:
        """Return how many tables and rows there are, for people."""
        tables, rows = self.tables, self.rows
        return f"{tables} table{'s' * (tables != 1)}, {rows} row{'s' * (rows != 1)}"

    @property
    def rows(self) -> int:
        """Return how many rows all tables hold."""
        return sum(_count(said) for (kind, _), said in self.objects.items() if kind == "table")


def inventory(rows: Rows) -> Inventory:
    """Read the answer to INVENTORY and to the fingerprints: `count:sum` for each table."""
    return {(kind, name): said for kind, name, said in rows}


def sequences(rows: Rows) -> Sequences:
    """Read the answer to SEQUENCES; one that was never used has no value."""
    return {name: int(value) if value else None for name, value in rows}


def differences(sent: Content, later: Sequences, arrived: Content) -> list[str]:
    """Say in what the two differ; `later` are the source's sequences after the dump.

    Sequences are outside of any snapshot: while it is dumped, a source in use moves them on.
    """
    found = []
    for kind, name in sorted(sent.objects.keys() | arrived.objects.keys()):
        left, right = sent.objects.get((kind, name)), arrived.objects.get((kind, name))
        if left != right:
            found.append(_difference(f"{kind} {name}".strip(), left, right))
    for name in sorted(sent.sequences.keys() | arrived.sequences.keys()):
        first, last = sent.sequences.get(name), later.get(name)
        value = arrived.sequences.get(name)
        if not _between(value, first, last):
            found.append(f"sequence {name} is at {last} here, at {value} there")
    return found


def migrations(source: Rows, target: Rows, words: tuple[str, str] = PUSHED) -> list[str]:
    """Say which of Django's migrations only one side has; a side without any says nothing.

    The source is what will serve, the target what served; `words` say what the source lacks, and
    what only the source has.
    """
    here, there = {name for (name,) in source}, {name for (name,) in target}
    if not here or not there:
        return []
    found = []
    lacking, unknown = words
    if there - here:
        found.append(lacking.format(_some(there - here)))
    if here - there:
        found.append(unknown.format(_some(here - there)))
    return found


def _some(names: set[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"the migration {min(names)}{more}"


def _difference(what: str, left: str | None, right: str | None) -> str:
    if right is None:
        return f"{what} did not arrive"
    if left is None:
        return f"{what} was not sent, but is there"
    here, there = _count(left), _count(right)
    if here == there:
        return f"{what} has the same {here} rows, with other contents"
    return f"{what} has {here} rows here, {there} there"


def _count(said: str) -> int:
    return int(said.partition(":")[0] or 0)


def _between(value: int | None, first: int | None, last: int | None) -> bool:
    if value is None or first is None or last is None:
        return value in {first, last} or (first is None and last is not None)
    return min(first, last) <= value <= max(first, last)
