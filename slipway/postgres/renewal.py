"""Make the arriving database from the one that was kept, where that is most of it already."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from slipway.command import Shell
from slipway.errors import DatabaseError
from slipway.postgres import beside, compare, facts, parts, programs, reuse, statements, tables
from slipway.postgres.beside import Filled
from slipway.postgres.compare import Content, Inventory
from slipway.postgres.copying import Copy, covered
from slipway.postgres.ends import Ends
from slipway.postgres.facts import Facts
from slipway.postgres.parts import Shared
from slipway.postgres.reuse import Reuse
from slipway.postgres.server import Client, Server
from slipway.postgres.session import Session
from slipway.postgres.tables import Table

SINCE = 150000
# Rows that change in place take longer than those that fill an empty table.
MOST_CHANGED = 0.25

# What the copy holds, a session in it, what the source holds, and what is to be replaced.
Compared = tuple[Reuse, Session, Inventory, list[Shared]]


@dataclass(frozen=True, slots=True)
class Renewal:
    """Take the steps of one renewal; `admin` is connected to another database."""

    shell: Shell
    admin: Session
    ends: Ends
    found: Facts
    source: Session
    progress: Callable[[int], object]

    def run(self) -> Filled | None:
        """Fill the arriving database; nothing, where that is not worth it or does not work.

        It is not there then. Raises HostError, and DatabaseError where the source is lost.
        """
        if not possible(self.found, self.ends):
            return None
        try:
            filled = self._run()
        except DatabaseError:
            filled = None
        if not filled:
            self.admin.query(statements.drop(self.ends.names.incoming))
            self.source.query("ROLLBACK;")
        return filled

    def _run(self) -> Filled | None:
        asked = self.source.ask(reuse.SNAPSHOT, statements.SEQUENCES, tables.TABLES)
        snapshot, listed = asked[0][0][0], tables.read(asked[2])
        if tables.together(listed) or not self._alike(snapshot, listed):
            return None
        with self._compared(snapshot, listed) as (known, incoming, objects, changed):
            if not worth_it(listed, changed):
                return None
            copy = Copy(
                self.shell, self.ends, self.found, snapshot, (), known, lambda: None, self.progress
            )
            sent = copy.renew(changed) + known.received
            after = self._sequences(incoming)
        content = Content(objects, compare.sequences(asked[1]))
        return Filled(content, after, sent, content.rows - sum(one.sent for one in changed))

    def _alike(self, snapshot: str, listed: Sequence[Table]) -> bool:
        """Return whether the previous database is of the source's schema and of similar size."""
        ends, names = self.ends, self.ends.names
        with ThreadPoolExecutor(2) as pool:
            digests = [
                pool.submit(self._digest, ends.source, ends.database, snapshot),
                pool.submit(self._digest, ends.target, names.previous),
            ]
            with Session(self.shell, ends.target, names.previous, reuse.OPTIONS) as previous:
                fits, there, size = previous.ask(
                    statements.renewable(names.live, ends.owner), tables.TABLES, statements.SIZE
                )
            here, other = (digest.result() for digest in digests)
        sizes = [sum(table.size for table in found) for found in (listed, tables.read(there))]
        fits_in = facts.room(int(size[0][0]), self.found.target) <= self.found.there.free
        alike = here == other and max(sizes) < 2 * min(sizes)
        return fits == [["t"]] and alike and fits_in

    def _digest(self, server: Server, database: str, snapshot: str = "") -> str:
        words = programs.schema(server.user, database, snapshot)
        return Client(self.shell, server).run(words, options=programs.impatient()).stdout

    @contextmanager
    def _compared(self, snapshot: str, listed: Sequence[Table]) -> Iterator[Compared]:
        """Compare the copy of the previous database with the source, all of it."""
        ends, names = self.ends, self.ends.names
        candidates = parts.candidates(listed, listed)
        others = [table for table in listed if table not in candidates]
        known = Reuse(self.shell, ends, names.incoming, True, candidates=candidates)
        asked = self.source.post(*beside.content(others, self.found))
        try:
            made = (self.shell, self.admin, ends, self.found, names.previous)
            with beside.created(*made) as ready:
                known.compare(snapshot, ready)
        finally:
            # Who asks next must not read this answer.
            here = compare.inventory(beside.joined(self.source.collect(asked)))
        with Session(self.shell, ends.target, names.incoming) as incoming:
            said = incoming.ask(tables.PLAIN, *tables.fingerprints(others))
            changed = different(others, here, compare.inventory(beside.joined(said)))
            changed += different_parts(known.shared.values())
            yield known, incoming, here | parts.fingerprints(known.shared), changed

    def _sequences(self, incoming: Session) -> compare.Sequences:
        """Bring all sequences to where the source's are, and return where these are afterwards."""
        states, after, _ = self.source.ask(statements.STATES, statements.SEQUENCES, "COMMIT;")
        incoming.query(statements.states(states))
        return compare.sequences(after)


def possible(found: Facts, ends: Ends) -> bool:
    """Return whether a copy of an earlier database can become one of the source's at all."""
    source, target = found.source, found.target
    alike = source.version // 10000 == target.version // 10000 and source.version >= SINCE
    alike = alike and beside.same(found) and not source.large_objects
    return alike and covered(found, ends) and target.superuser and not ends.target.address


def different(listed: Sequence[Table], here: Inventory, there: Inventory) -> list[Shared]:
    """Return the tables that are to be replaced whole."""
    return [
        Shared(table, rows, sent=rows, whole=True)
        for table in listed
        if here["table", table.name] != there["table", table.name]
        for rows in [int(here["table", table.name].partition(":")[0])]
    ]


def different_parts(shared: Iterable[Shared]) -> list[Shared]:
    """Return the tables of which something is to be replaced, or all."""
    return [
        replace(one, changed=[], sent=one.count) if one.whole else one
        for one in shared
        if one.whole or one.changed
    ]


def worth_it(listed: Sequence[Table], changed: Sequence[Shared]) -> bool:
    """Return whether little has changed."""
    sent = sum(one.table.size * one.sent / max(1, one.count) for one in changed)
    return sent <= MOST_CHANGED * sum(table.size for table in listed)
