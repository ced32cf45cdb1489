"""Find what a database of the target has already, so that it need not be sent."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from slipway.command import Shell
from slipway.errors import DatabaseError
from slipway.postgres import parts, programs, stream, tables
from slipway.postgres.ends import Ends
from slipway.postgres.parts import Shared, Sum
from slipway.postgres.server import Server
from slipway.postgres.session import Session
from slipway.postgres.stream import End
from slipway.postgres.tables import Table

SNAPSHOT = """
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SELECT pg_export_snapshot();
"""
# Whoever holds a table of the site for himself shall not hold up the push as well.
OPTIONS = "-c lock_timeout=5s -c work_mem=64MB -c jit=off"
READ = 1 << 18


@dataclass
class Reuse:
    """Hold a snapshot of a database of the target, and what the source has in common with it.

    `received` are the bytes that the comparison took.
    """

    shell: Shell
    ends: Ends
    database: str
    same_encoding: bool
    snapshot: str = ""
    candidates: list[Table] = field(default_factory=list)
    shared: dict[str, Shared] = field(default_factory=dict)
    received: int = 0

    def compare(self, snapshot: str, ready: Callable[[], object] = lambda: None) -> None:
        """Compare the candidates with those in a snapshot of the source.

        `ready` waits until the other database can be read; the source is read meanwhile. Where
        that database cannot be read they count as new. Raises DatabaseError or
        HostError where the source cannot.
        """
        if not self.candidates:
            ready()
            return
        ends = self.ends
        ask = partial(parts.sums, self.candidates, same_encoding=self.same_encoding)
        with self._asked(ends.source, ends.database, snapshot, ask()) as source:
            ready()
            with self._asked(ends.target, self.database, self.snapshot, ask(weak=True)) as there:
                found = parts.compared(self.candidates, self._read(source), self._read(there))
                if code := source.process.wait():
                    raise source.failure(code)
                for one in found.values():
                    one.whole = one.whole or there.process.wait() != 0
        self.shared = found

    def of(self, table: Table) -> Shared | None:
        """Return what is shared of a table where that is worth something."""
        found = self.shared.get(table.name)
        return None if found is None or found.whole else found

    @contextmanager
    def _asked(
        self, server: Server, database: str, snapshot: str, statements: Sequence[str]
    ) -> Iterator[End]:
        words = programs.psql_stream(server.user, database)
        script = programs.script([tables.PLAIN, *tables.reading(snapshot), *statements, "COMMIT"])
        if server.host:
            words = programs.piped(words, ["gzip", "-1c"])
        with stream.writer(self.shell, server, words, OPTIONS, script) as end:
            yield end

    def _read(self, end: End) -> Iterator[Sum]:
        unpack = zlib.decompressobj(31) if end.server.host else None
        rest = b""
        assert end.process.stdout
        while chunk := end.process.stdout.read(READ):
            self.received += len(chunk) if unpack else 0
            *lines, rest = (rest + (unpack.decompress(chunk) if unpack else chunk)).split(b"\n")
            yield from map(parts.read, lines)


@contextmanager
def opened(
    shell: Shell,
    ends: Ends,
    wanted: Sequence[Table],
    there: Sequence[Table],
    *,
    same_encoding: bool,
) -> Iterator[Reuse]:
    """Keep a snapshot of the live database while the context is open.

    Its tables that were `there` a moment ago tell whether anything is worth comparing. Where
    nothing is, or no snapshot can be had, there is nothing to reuse.
    """
    reuse = Reuse(shell, ends, ends.names.live, same_encoding)
    if not parts.candidates(wanted, there):
        yield reuse
        return
    with Session(shell, ends.target, reuse.database, OPTIONS) as session:
        try:
            snapshot, now = session.ask(SNAPSHOT, tables.TABLES)
            reuse.snapshot = snapshot[0][0]
            reuse.candidates = parts.candidates(wanted, tables.read(now))
        except DatabaseError:
            reuse.candidates = []
        if not reuse.candidates:
            # Nobody may be kept from changing what is not read.
            session.close()
        yield reuse
