"""Replace one database by a copy of another: checked, copied beside, verified, switched."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.command import Shell
from slipway.console import Console, seconds, size
from slipway.errors import ConfigurationError, DatabaseError
from slipway.postgres import (
    beside,
    compare,
    cutover,
    dumpfile,
    facts,
    grants,
    inherit,
    programs,
    statements,
    tables,
)
from slipway.postgres.beside import CopyDiffers, Filled, Given
from slipway.postgres.compare import Content
from slipway.postgres.cutover import Check, Cutover
from slipway.postgres.ends import Ends
from slipway.postgres.facts import Facts, Source, Target
from slipway.postgres.inherit import Said
from slipway.postgres.programs import Machine, Rows
from slipway.postgres.renewal import Renewal
from slipway.postgres.server import Server
from slipway.postgres.session import Session
from slipway.postgres.tables import Table


@dataclass(frozen=True, slots=True)
class Moved:
    """Hold what was copied, its bytes on the way, the downtime in ms, the old one's name.

    `reused` rows of it were on the target before.
    """

    content: Content
    bytes: int
    downtime: float
    previous: str
    reused: int = 0


def move(
    shell: Shell,
    console: Console,
    ends: Ends,
    *,
    excluded: Sequence[str] = (),
    held: AbstractContextManager[Check] | None = None,
) -> Moved:
    """Replace the target's live database by a copy of the source's, and keep the old one.

    Of the `excluded` tables only the definition is copied. What is `held` meanwhile may still
    refuse before the switch. Raises DatabaseError, HostError or ConfigurationError; the live
    database is untouched then.
    """
    with (
        Session(shell, ends.source, ends.database, programs.impatient()) as source,
        cutover.opened(shell, ends.target, ends.names, console.warn, held) as opened,
    ):
        step = Move(shell, console, ends, opened, source)
        known = step.check(excluded)
        with beside.removed_on_failure(shell, ends, opened.session, console.warn):
            copied = step.arrive(known)
            # It may be connected to one of the databases that are renamed.
            source.close()
            opened.check()
            downtime = switched(console, ends, opened, known.given)
    return Moved(copied.content, copied.sent, downtime, ends.names.previous, copied.reused)


def restore_file(
    shell: Shell,
    console: Console,
    ends: Ends,
    path: Path,
    *,
    held: AbstractContextManager[Check] | None = None,
) -> Moved:
    """Replace the target's live database by what a dump file holds, and keep the old one.

    Raises DatabaseError, HostError or ConfigurationError; the live database is untouched then.
    """
    dumpfile.check(path)
    with cutover.opened(shell, ends.target, ends.names, console.warn, held) as opened:
        found, live = _facts_of_file(ends, opened, path)
        with beside.removed_on_failure(shell, ends, opened.session, console.warn):
            with console.progress(of_bytes=True) as progress:
                task = progress.add_task("Restore", total=None)
                with beside.created(shell, opened.admin, ends, found) as ready:
                    ready()
                sent = dumpfile.restore(shell, ends, path, lambda n: progress.advance(task, n))
            with console.step("Count all rows") as notes:
                content = beside.count(shell, ends, found)
                notes.append(content.counted)
            given = _restored(shell, console, ends, live)
            opened.check()
            downtime = switched(console, ends, opened, given)
    return Moved(content, sent, downtime, ends.names.previous)


def switched(console: Console, ends: Ends, opened: Cutover, given: Given) -> float:
    """Put the copy in the place of the live database and return the downtime in ms."""
    with console.step(f"Switch to it, keep the old one as {opened.names.previous}"):
        given.give(opened.admin, opened.second, ends, console.warn)
        return opened.arrive()


def _facts_of_file(ends: Ends, opened: Cutover, path: Path) -> tuple[Facts, Said]:
    names = ends.names
    inherit.ask(opened.second, names)
    said, machine, settings = opened.admin.ask(
        statements.target_facts(names, ends.owner),
        _ask_machine(ends.target),
        grants.inherited(names.live, names.incoming),
    )
    target, there = Target.read(said[0][0]), _machine(ends.target, machine)
    encoding = str((target.live or {}).get("name"))
    source = Source(target.version, encoding, dumpfile.expected_size(path), {})
    found = Facts(source, target, there, there)
    facts.check(ends.target.where, found, names, ends.hint)
    return found, inherit.answer(opened.second, settings)


def _restored(shell: Shell, console: Console, ends: Ends, live: Said) -> Given:
    """Refuse what holds no table where there were some, and name what else is not in it."""
    names = ends.names
    with Session(shell, ends.target, names.incoming) as incoming:
        arrived = Said.of(incoming.ask(*inherit.ASKED))
    facts.check_tables(dumpfile.OPTION, len(arrived.tables), names, len(live.tables))
    for text in (
        *compare.migrations(arrived.migrations, live.migrations, compare.DUMPED),
        *inherit.lost_tables(arrived, live, names),
        *inherit.warnings(arrived, live, names),
    ):
        console.warn(text)
    return inherit.given(arrived, live)


@dataclass(frozen=True, slots=True)
class Known:
    """Hold what the check has found: the names of the excluded tables, and what is `there`.

    What is `given` goes on in the copy; `kept` says whether the previous database may be made use
    of, too.
    """

    found: Facts
    excluded: Sequence[str]
    there: Sequence[Table]
    kept: bool
    given: Given


@dataclass(frozen=True, slots=True)
class Move:
    """Take the steps of one move."""

    shell: Shell
    console: Console
    ends: Ends
    opened: Cutover
    source: Session

    def check(self, excluded: Sequence[str]) -> Known:
        """Refuse whatever cannot go well, and return what is known then."""
        ends, names, admin = self.ends, self.ends.names, self.opened.admin
        with self.console.step("Check versions, extensions and room") as notes:
            inherit.ask(self.opened.second, names)
            admin.post(statements.target_facts(names, ends.owner), _ask_machine(ends.target))
            admin.post(grants.inherited(names.live, names.incoming))
            said, machine, settings, *asked = self.source.ask(
                statements.SOURCE_FACTS, _ask_machine(ends.source),
                grants.inherited(ends.database, names.incoming), *inherit.ASKED, inherit.RESET,
            )  # fmt: skip
            target = Target.read(admin.receive()[0][0])
            there = _machine(ends.target, admin.receive())
            if ends.target.address:
                # Who may create what, such a server decides by rules of its own.
                target = replace(target, extensions=dict.fromkeys(target.extensions, True))
            found = Facts(Source.read(said[0][0]), target, _machine(ends.source, machine), there)
            facts.check(ends.target.where, found, names, ends.hint)
            left_out = _excluded(self.source, excluded)
            source = Said.of(asked[:3], settings)
            live = inherit.answer(self.opened.second, admin.receive())
            facts.check_tables(ends.source.where, len(source.tables), names, len(live.tables))
            notes.extend(facts.notes(found))
        words = compare.PULLED if ends.pull else compare.PUSHED
        lacking = compare.migrations(source.migrations, live.migrations, words)
        for text in (*lacking, *inherit.warnings(source, live, names)):
            self.console.warn(text)
        given = inherit.given(source, live)
        return Known(found, left_out, tables.read(live.reusable), self.opened.kept, given)

    def arrive(self, known: Known) -> Filled:
        """Copy the source beside the live database and verify it.

        What was thought to be there already, and was not, is sent in a second attempt.
        """
        with Session(self.shell, self.ends.target) as helping:
            try:
                copied = self.copy(known)
            except DatabaseError as error:
                if not (known.there and beside.CHANGED.search(error.what)):
                    raise
                self.source.query("ROLLBACK;")
                copied = self._whole(known, error)
            try:
                self.verify(helping, known.found, copied)
            except CopyDiffers as error:
                if not copied.reused:
                    raise
                again = self._whole(known, error)
                self.verify(helping, known.found, again)
                copied = replace(again, sent=copied.sent + again.sent)
            helping.end()
        return copied

    def _whole(self, known: Known, error: DatabaseError) -> Filled:
        """Begin anew, and make use of nothing that is there already."""
        self.console.warn(f"{error.what}; all of it is sent now")
        self.opened.admin.query(statements.drop(self.ends.names.incoming))
        return self.copy(replace(known, there=(), kept=False))

    def copy(self, known: Known) -> Filled:
        """Copy the source into a database beside the live one."""
        begin, incoming = time.monotonic(), self.ends.names.incoming
        with self.console.progress(of_bytes=True) as progress:
            task = progress.add_task("Copy", total=None)

            def advance(count: int) -> None:
                progress.advance(task, count)

            copied = self._renewed(known, advance) or self._filled(known, advance)
        took = seconds(time.monotonic() - begin)
        reused = f", {copied.reused} rows were there" if copied.reused else ""
        self.console.say(f"✓ Copy it into {incoming}  {size(copied.sent)}{reused}  {took}")
        return copied

    def _renewed(self, known: Known, advance: Callable[[int], object]) -> Filled | None:
        if not known.kept or known.excluded:
            return None
        admin, found = self.opened.admin, known.found
        given = (self.shell, admin, self.ends, found, self.source, advance)
        return Renewal(*given).run()

    def _filled(self, known: Known, advance: Callable[[int], object]) -> Filled:
        given = (self.shell, self.opened.admin, self.ends, known.found)
        with beside.created(*given) as ready:
            return beside.fill(
                self.shell, self.ends, known.found, self.source, ready, advance,
                known.excluded, known.there,
            )  # fmt: skip

    def verify(self, helping: Session, found: Facts, copied: Filled) -> None:
        """Compare the copy with the source, table by table."""
        with self.console.step("Verify: compare all rows on both sides") as notes:
            beside.verify(self.opened.second, helping, self.ends, found, copied)
            notes.append(copied.content.counted)


def _machine(server: Server, said: Rows) -> Machine:
    try:
        return programs.machine(said)
    except (IndexError, ValueError):
        what = "does not tell its cores and the room on its disk"
        raise DatabaseError(server.where, what, "are nproc and df in its image?") from None


def _ask_machine(server: Server) -> str:
    return programs.ask_machine(beside=not server.address)


def _excluded(session: Session, names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        matching = [table for (table,) in session.query(tables.named(name))]
        if not matching:
            raise ConfigurationError(
                "--exclude-data", f"{name} is no table there", "write TABLE or SCHEMA.TABLE"
            )
        found.extend(matching)
    # Its rows would find none that they refer to, once everything is copied.
    for table, refers, ask in session.query(tables.referring(found)) if found else []:
        if session.query(ask) == [["t"]]:
            what, hint = f"{table} refers to {refers}", f"leave out {table} as well"
            raise ConfigurationError("--exclude-data", what, hint)
    return found
