"""Say what goes on in a copy beside objects and rows, and name what does not."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slipway.postgres import grants, statements, tables
from slipway.postgres.beside import Given
from slipway.postgres.names import Names
from slipway.postgres.programs import Rows
from slipway.postgres.session import Session, StatementError

# The last sets the search path, which whoever goes on must reset.
ASKED = (grants.BESIDES, statements.MIGRATIONS, grants.GRANTED)
RESET = "RESET search_path;"
NONE: Rows = []
TABLE, EXTENSION = "table", "extension"
# What of the source's belongs to its content: where names without a schema are is said nowhere
# else, and what migrations keep from everybody stays so.
SEARCH_PATH = re.compile(r"ALTER DATABASE .* SET search_path TO ", re.S)
KEPT_FROM_ALL = re.compile(r"REVOKE \w+ ON (ROUTINE|TYPE|SCHEMA) .* FROM PUBLIC;", re.S)


@dataclass(frozen=True, slots=True)
class Said:
    """Hold what a database said of itself.

    `besides` are pairs of a kind and a name, tables among them; `granted` and `settings` are
    statements. Its `migrations` and what may be `reusable` of it are empty where somebody holds
    a table locked; the rest is known all the same.
    """

    besides: list[tuple[str, str]]
    granted: list[str]
    settings: list[str]
    migrations: Rows
    reusable: Rows

    @classmethod
    def of(cls, asked: Sequence[Rows], settings: Rows = NONE, reusable: Rows = NONE) -> "Said":
        """Read the answers to ASKED, and more."""
        besides, migrations, granted = asked
        pairs = [(kind, name) for kind, name in besides]
        return cls(pairs, _column(granted), _column(settings), migrations, reusable)

    @property
    def tables(self) -> list[str]:
        """Return the names of its tables."""
        return [name for kind, name in self.besides if kind == TABLE]


def ask(session: Session, names: Names) -> None:
    """Ask the live database and wait for nothing; before and afterwards it is in another one."""
    session.connect(names.live)
    session.post(statements.IMPATIENT, tables.TABLES, *ASKED)
    session.connect()


def answer(session: Session, settings: Rows) -> Said:
    """Wait for what the live database says; raises DatabaseError."""
    session.receive()
    reusable, besides = _unlocked(session), session.receive()
    asked = [besides, _unlocked(session), session.receive()]
    return Said.of(asked, settings, reusable)


def given(source: Said, live: Said) -> Given:
    """Return what the copy is given: all that the live database has, and of the source's a part."""
    path = [text for text in source.settings if SEARCH_PATH.match(text)]
    if any(SEARCH_PATH.match(text) for text in live.settings):
        path = []
    kept = [text for text in _more(source.granted, live.granted) if KEPT_FROM_ALL.match(text)]
    return Given([*live.settings, *path], [*live.granted, *kept])


def warnings(source: Said, live: Said, names: Names) -> Iterator[str]:
    """Name what only one of both has, and the copy will not."""
    arrives = {one for one in source.besides if one[0] == EXTENSION}
    lost = [one for one in live.besides if one not in arrives and one[0] != TABLE]
    yield from _named(f"{names.live} has what the copy will not: ", lost)
    stay = [one for one in source.besides if one[0] not in (TABLE, EXTENSION)]
    yield from _named("the source has what the copy will not: ", stay)
    goes_on = given(source, live)
    settings = [text for text in source.settings if not text.startswith("COMMENT ")]
    more = _more(settings, goes_on.settings) + _more(source.granted, goes_on.grants)
    texts = [("", text.replace(names.incoming, names.live)) for text in more]
    yield from _named(f"the source says what {names.live} does not: ", texts)


def lost_tables(source: Said, live: Said, names: Names) -> Iterator[str]:
    """Name the tables that only the live database has."""
    lost = sorted({*live.tables} - {*source.tables})
    yield from _named(f"{names.live} has what the dump has not: ", [(TABLE, name) for name in lost])


def _more(these: Sequence[str], those: Sequence[str]) -> list[str]:
    known = {*those}
    return [text for text in these if text not in known]


def _named(words: str, found: Sequence[tuple[str, str]]) -> Iterator[str]:
    if found:
        more = f" (and {len(found) - 1} more)" if found[1:] else ""
        yield f"{words}{' '.join(found[0]).strip()}{more}"


def _unlocked(session: Session) -> Rows:
    try:
        return session.receive()
    except StatementError:
        # Somebody holds a table locked.
        return []


def _column(rows: Rows) -> list[str]:
    return [text for (text,) in rows]
