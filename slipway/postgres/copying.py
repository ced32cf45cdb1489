"""Copy one snapshot of a database into an empty one: large tables beside each other."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock

from slipway.command import Shell
from slipway.postgres import programs, stream, tables
from slipway.postgres.ends import Ends
from slipway.postgres.facts import Facts
from slipway.postgres.parts import Choice, Shared
from slipway.postgres.quoting import identifier
from slipway.postgres.reuse import Reuse
from slipway.postgres.server import Client
from slipway.postgres.tables import Table

# The rename waits for the disk; until then nothing of the copy is worth waiting for. The
# server spends half of a restore on the slower of its two compressions.
SETTINGS = "-c synchronous_commit=off -c maintenance_work_mem=192MB"
LZ4 = "-c default_toast_compression=lz4"
LISTING = ["pg_restore", "--list"]


@dataclass
class Copy:
    """Hold what one copy needs, and the bytes that it has carried."""

    shell: Shell
    ends: Ends
    found: Facts
    snapshot: str
    excluded: Collection[str]
    reuse: Reuse
    progress: Callable[[int], object]
    sent: int = 0
    crew: stream.Crew = field(default_factory=stream.Crew)
    lock: Lock = field(default_factory=Lock)

    @property
    def wire(self) -> bool:
        """Return whether the bytes leave this machine."""
        return bool(self.ends.source.host or self.ends.target.host)

    @property
    def options(self) -> str:
        """Return the settings of the sessions that restore."""
        return f"{SETTINGS} {LZ4}" if self.found.target.lz4 else SETTINGS

    def run(self, listed: Sequence[Table]) -> int:
        """Copy everything and return the bytes carried; raises DatabaseError or HostError."""
        apart = covered(self.found, self.ends)
        large = tables.large(listed, self.excluded) if apart else []
        few = self._few(listed, large)
        if large or few:
            with self._schema() as archive:
                self._restore(archive, ["pre-data"])
                self._rows(large, few)
                self._restore(archive, ["post-data"], jobs=self.workers)
        else:
            self._whole()
        return self.sent

    def _few(self, listed: Sequence[Table], large: Sequence[Table]) -> list[Shared]:
        """Return what is shared of tables that are not large."""
        found = [self.reuse.of(table) for table in listed if table not in large]
        return [shared for shared in found if shared]

    @property
    def workers(self) -> int:
        """Return how many do the work beside each other: as many as the weaker side has cores."""
        both = {self.found.here.cores, self.found.there.cores}
        if not self.wire:
            both.add(os.cpu_count() or 1)
        return max(1, min(both))

    def _rows(self, large: Sequence[Table], few: Sequence[Shared]) -> None:
        """Copy the large tables, and all others in one stream; the first failure ends all.

        Of a `few` of these the live database has something already.
        """
        pool = ThreadPoolExecutor(self.workers)
        try:
            jobs = [pool.submit(self._table, table) for table in large]
            jobs += [pool.submit(self._shared, few)] if few else []
            jobs.append(pool.submit(self._others, [*large, *(one.table for one in few)]))
            for job in wait(jobs, return_when=FIRST_EXCEPTION).done:
                job.result()
        except BaseException:
            self.crew.end()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _table(self, table: Table) -> None:
        shared = self.reuse.of(table)
        if not shared:
            self._sent(tables.unload(table, self.snapshot), self._loads(table))
            return
        kept, changed = self._choices
        self._kept(kept.one(shared), self._loads(table))
        if shared.sent:
            self._sent(changed.one(shared), self._loads(table, more=True))

    def _shared(self, few: Sequence[Shared]) -> None:
        """Copy all of these in two streams: what is there already, and what is not."""
        owner, load = identifier(self.ends.owner), self._psql
        kept, changed = self._choices
        self._kept(kept.many(few, owner), load)
        rest = [shared for shared in few if shared.sent]
        if rest:
            self._sent(changed.many(rest, owner), load)

    @property
    def _choices(self) -> tuple[Choice, Choice]:
        same = self.reuse.same_encoding
        return Choice(self.reuse.snapshot, True, same), Choice(self.snapshot, False, same)

    def _sent(self, rows: Sequence[str], load: list[str]) -> None:
        """Carry rows over from the source."""
        unload = programs.psql_stream(self.ends.source.user, self.ends.database)
        squeezed, expanded = self._tools
        self._carry(
            programs.piped(unload, squeezed) if squeezed else unload,
            programs.piped(expanded, load) if expanded else load,
            programs.script(rows),
        )

    def _kept(self, rows: Sequence[str], load: list[str]) -> None:
        """Copy rows from the live database, within the target's server."""
        ends = self.ends
        unload = programs.psql_stream(ends.target.user, ends.names.live)
        words = programs.piped(unload, load)
        run = stream.writer(self.shell, ends.target, words, self.options, programs.script(rows))
        with self.crew.joined(run) as end:
            if code := end.process.wait():
                raise end.failure(code)

    @property
    def _psql(self) -> list[str]:
        return programs.psql_stream(self.ends.target.user, self.ends.names.incoming)

    def _loads(self, table: Table, *, more: bool = False) -> list[str]:
        statements = tables.load(table, identifier(self.ends.owner), more=more)
        return [*self._psql, *programs.commands(statements)]

    @property
    def _tools(self) -> tuple[list[str], list[str]]:
        """Return what squeezes and what expands a stream.

        zstd is quicker than what carries its bytes between two containers of one machine; gzip
        pays only where they leave it.
        """
        if self.found.here.zstd and self.found.there.zstd:
            return ["zstd", "-1cq"], ["zstd", "-dcq"]
        return (["gzip", "-1c"], ["gzip", "-dc"]) if self.wire else ([], [])

    def _others(self, own: Sequence[Table]) -> None:
        """Copy what is left: small tables, large objects, sequences."""
        left_out = [*(table.name for table in own), *self.excluded]
        dump = [*self._dump(left_out), "--section=data"]
        self._carry(dump, self._words(["data"]))

    def _whole(self) -> None:
        """Copy a database of small tables as one stream."""
        with ExitStack() as stack:
            dump = self._dump(self.excluded)
            source = stack.enter_context(stream.writer(self.shell, self.ends.source, dump))
            head, listed = b"", ""
            if self.found.untrusted:
                head, listing = stream.peek(source, self.shell, LISTING)
                listed = stack.enter_context(self._listed(listing))
            words = self._words([], listed)
            reader = stream.reader(self.shell, self.ends.target, words, self.options)
            self.sent += stream.carry(source, stack.enter_context(reader), head, self.progress)

    def _carry(self, unload: list[str], load: list[str], script: str = "") -> None:
        ends = self.ends
        write = stream.writer(self.shell, ends.source, unload, programs.impatient(), script)
        with (
            self.crew.joined(write) as source,
            self.crew.joined(stream.reader(self.shell, ends.target, load, self.options)) as target,
        ):
            sent = stream.carry(source, target, b"", self.progress)
        with self.lock:
            self.sent += sent

    def _dump(self, left_out: Collection[str] = ()) -> list[str]:
        ends, version = self.ends, self.found.source.version
        effort = None if self.wire or version >= programs.ZSTD_SINCE else 0
        words = programs.dump(ends.source.user, ends.database, version, self.snapshot, effort)
        return [*words, *(f"--exclude-table-data={name}" for name in left_out)]

    def _words(self, sections: Sequence[str], listed: str = "", jobs: int = 1) -> list[str]:
        ends = self.ends
        words = programs.restore(ends.target.user, ends.names.incoming, ends.owner, listed)
        words += [f"--section={name}" for name in sections]
        return [*words, f"--jobs={jobs}"] if jobs > 1 else words

    @contextmanager
    def _schema(self) -> Iterator[str]:
        """Keep the schema in the memory beside the target's server and give its path."""
        path = f"/dev/shm/slipway-{self._own}"  # noqa: S108
        try:
            sections = ["--section=pre-data", "--section=post-data"]
            self._carry([*self._dump(), *sections], ["cp", "/dev/stdin", path])
            yield path
        finally:
            Client(self.shell, self.ends.target).run(["rm", "-f", path])

    def _restore(self, archive: str, sections: Sequence[str], jobs: int = 1) -> None:
        client = Client(self.shell, self.ends.target)
        with ExitStack() as stack:
            listed = ""
            if self.found.untrusted:
                listing = client.run([*LISTING, archive]).stdout
                listed = stack.enter_context(self._listed(listing))
            client.run([*self._words(sections, listed, jobs), archive], options=self.options)

    @contextmanager
    def _listed(self, listing: str) -> Iterator[str]:
        """Keep the list of what is to be restored in a file beside the target's server."""
        path = f"/dev/shm/slipway-{self._own}-list"  # noqa: S108
        client = Client(self.shell, self.ends.target)
        text = programs.selected(listing, self.found.untrusted)
        client.run(["tee", path], stdin=text.encode())
        try:
            yield path
        finally:
            client.run(["rm", "-f", path])

    @property
    def _own(self) -> str:
        return hashlib.sha256(self.ends.names.incoming.encode()).hexdigest()[:12]


def covered(found: Facts, ends: Ends) -> bool:
    """Return whether rows can be had apart from the schema.

    Older tools tie large objects to it, and a server elsewhere has no memory beside it.
    """
    known = not found.source.large_objects or found.source.version >= 170000
    return known and not ends.target.address
