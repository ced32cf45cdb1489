"""Copy one snapshot of a database into an empty one: large tables beside each other."""

import hashlib
import os
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock

from slipway.command import Shell
from slipway.errors import SlipwayError
from slipway.postgres import programs, stream, tables
from slipway.postgres.ends import Ends
from slipway.postgres.facts import Facts
from slipway.postgres.parts import Choice, Shared
from slipway.postgres.quoting import identifier
from slipway.postgres.reuse import Reuse
from slipway.postgres.server import Client
from slipway.postgres.stream import End
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
    ready: Callable[[], object]
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
        settings = f"{SETTINGS} {programs.untimed(self.found.target.version)}"
        return f"{settings} {LZ4}" if self.found.target.lz4 else settings

    def run(self, listed: Sequence[Table]) -> int:
        """Copy everything and return the bytes carried; raises DatabaseError or HostError."""
        apart = covered(self.found, self.ends)
        few = [one for one in map(self.reuse.of, listed) if one] if apart else []
        # Large objects belong to no table, and may be of any size.
        large_objects = self.found.source.large_objects
        kept = apart and not (few or large_objects) and tables.together(listed, self.excluded)
        if kept or not apart:
            self._stream(kept=kept)
            return self.sent
        large = tables.large(listed, self.excluded)
        few = [one for one in few if one.table not in large]
        with self._schema() as archive:
            self.ready()
            with self._selected(archive) as chosen:
                client = Client(self.shell, self.ends.target)
                client.run(self._words("pre-data", chosen, archive), options=self.options)
                self._rows(large, few)
                script = f"{self._after(chosen, archive)} && rm -f {archive}"
                client.run(["bash", "-c", script], options=self.options)
        return self.sent

    def renew(self, changed: Sequence[Shared]) -> int:
        """Replace what changed in a database that has the rest, and return the bytes carried."""
        if changed:
            rows = Choice(self.snapshot, False, self.reuse.same_encoding)
            owner = identifier(self.ends.owner)
            self._sent(rows.many(changed, owner, instead=True), self._psql)
        return self.sent

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
        self._carry(self._dump("data"), self._words("data"), programs.listed(left_out))

    def _stream(self, *, kept: bool) -> None:
        """Copy everything as one stream.

        Where it is `kept` in the memory beside the target meanwhile, all workers restore from
        there what comes after the rows.
        """
        with ExitStack() as stack:
            dump = self._dump(squeezed=kept)
            names = programs.listed(self.excluded)
            source = stack.enter_context(self._writer(dump, names))
            self.ready()
            head, chosen = b"", ""
            if self.found.untrusted:
                head, listing = stream.peek(source, self.shell, LISTING)
                chosen = stack.enter_context(self._listed(listing))
            words = self._keeping(chosen) if kept else self._words("", chosen)
            target = stack.enter_context(self._reader(words))
            self.sent += stream.carry(source, target, head, self.progress)

    def _keeping(self, chosen: str) -> list[str]:
        first = [*self._words("pre-data", chosen), "--section=data"]
        script = f"""trap 'rm -f {self._archive}' EXIT
tee {self._archive} | {shlex.join(first)} && {self._after(chosen, self._archive)}"""
        return ["bash", "-o", "pipefail", "-c", script]

    def _carry(self, unload: list[str], load: list[str], script: str = "") -> None:
        with (
            self.crew.joined(self._writer(unload, script)) as source,
            self.crew.joined(self._reader(load)) as target,
        ):
            sent = stream.carry(source, target, b"", self.progress)
        with self.lock:
            self.sent += sent

    def _writer(self, words: list[str], script: str = "") -> AbstractContextManager[End]:
        return stream.writer(self.shell, self.ends.source, words, programs.impatient(), script)

    def _reader(self, words: list[str]) -> AbstractContextManager[End]:
        return stream.reader(self.shell, self.ends.target, words, self.options)

    def _dump(self, *sections: str, squeezed: bool = False) -> list[str]:
        """Return what dumps, without the rows of the tables that it reads the names of."""
        ends, version = self.ends, self.found.source.version
        effort = None if self.wire or squeezed or version >= programs.ZSTD_SINCE else 0
        words = programs.dump(ends.source.user, ends.database, version, self.snapshot, effort)
        return programs.without(words + [f"--section={name}" for name in sections])

    def _words(self, section: str, listed: str = "", archive: str = "") -> list[str]:
        """Return what restores a section, or all; from the standard input without `archive`."""
        ends = self.ends
        words = programs.restore(ends.target.user, ends.names.incoming, ends.owner, listed)
        words += [f"--section={section}"] if section else []
        return [*words, archive] if archive else words

    def _after(self, listed: str, archive: str) -> str:
        """Write what restores from an archive what comes after the rows."""
        return shlex.join([*self._words("post-data", listed), f"--jobs={self.workers}", archive])

    @property
    def _archive(self) -> str:
        return f"/dev/shm/slipway-{self._own}"  # noqa: S108

    @contextmanager
    def _schema(self) -> Iterator[str]:
        """Keep the schema in the memory beside the target's server and give its path."""
        try:
            load = ["cp", "/dev/stdin", self._archive]
            self._carry(self._dump("pre-data", "post-data"), load)
            yield self._archive
        except BaseException:
            with suppress(SlipwayError):
                Client(self.shell, self.ends.target).run(["rm", "-f", self._archive])
            raise

    @contextmanager
    def _selected(self, archive: str) -> Iterator[str]:
        """Give the list of what is to be restored of an archive, where that is not all."""
        if not self.found.untrusted:
            yield ""
            return
        listing = Client(self.shell, self.ends.target).run([*LISTING, archive]).stdout
        with self._listed(listing) as path:
            yield path

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
