"""Replace one database by a copy of another: checked, copied beside, verified, switched."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.command import Shell
from slipway.console import Console, seconds, size
from slipway.errors import ConfigurationError
from slipway.postgres import beside, compare, cutover, dumpfile, facts, programs, statements, tables
from slipway.postgres.beside import CopyDiffers, Filled
from slipway.postgres.compare import Content
from slipway.postgres.cutover import Cutover
from slipway.postgres.ends import Ends
from slipway.postgres.facts import Facts, Source, Target
from slipway.postgres.programs import Machine
from slipway.postgres.server import Client
from slipway.postgres.session import Session


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
    before_switch: Callable[[], object] = lambda: None,
) -> Moved:
    """Replace the target's live database by a copy of the source's, and keep the old one.

    Of the `excluded` tables only the definition is copied. `before_switch` may still refuse.
    Raises DatabaseError, HostError or ConfigurationError; the live database is untouched then.
    """
    step = Move(shell, console, ends)
    with cutover.opened(shell, ends.target, ends.names, console.warn) as opened:
        found, left_out = step.check(opened.admin, excluded)
        with beside.removed_on_failure(shell, ends, console.warn):
            copied = step.arrive(opened.admin, found, left_out)
            before_switch()
            downtime = step.switch(opened)
    return Moved(copied.content, copied.sent, downtime, ends.names.previous, copied.reused)


def restore_file(
    shell: Shell,
    console: Console,
    ends: Ends,
    path: Path,
    *,
    before_switch: Callable[[], object] = lambda: None,
) -> Moved:
    """Replace the target's live database by what a dump file holds, and keep the old one.

    Raises DatabaseError, HostError or ConfigurationError; the live database is untouched then.
    """
    dumpfile.check(path)
    with cutover.opened(shell, ends.target, ends.names, console.warn) as opened:
        found = _facts_of_file(shell, ends, opened.admin, path)
        with beside.removed_on_failure(shell, ends, console.warn):
            with console.progress(of_bytes=True) as progress:
                task = progress.add_task("Restore", total=None)
                beside.create(shell, opened.admin, ends, found)
                sent = dumpfile.restore(shell, ends, path, lambda n: progress.advance(task, n))
            with console.step("Count all rows") as notes:
                content = beside.count(shell, ends, found)
                notes.append(content.counted)
            before_switch()
            downtime = Move(shell, console, ends).switch(opened)
    return Moved(content, sent, downtime, ends.names.previous)


def _facts_of_file(shell: Shell, ends: Ends, admin: Session, path: Path) -> Facts:
    target = Target.read(admin.query(statements.target_facts(ends.names, ends.owner))[0][0])
    there = _machine(Client(shell, ends.target), target.folder)
    encoding = str((target.live or {}).get("name"))
    source = Source(target.version, encoding, dumpfile.expected_size(path), {})
    found = Facts(source, target, there, there)
    facts.check(ends.target.where, found, ends.names, ends.hint)
    return found


class Move:
    """Take the steps of one move."""

    def __init__(self, shell: Shell, console: Console, ends: Ends) -> None:
        self.shell = shell
        self.console = console
        self.ends = ends

    def check(self, admin: Session, excluded: Sequence[str]) -> tuple[Facts, list[str]]:
        """Refuse whatever cannot go well; returns the facts, and the excluded tables by name."""
        ends = self.ends
        with self.console.step("Check versions, extensions and room on both sides") as notes:
            ask = statements.target_facts(ends.names, ends.owner)
            target = Target.read(admin.query(ask)[0][0])
            if ends.target.address:
                # Who may create what, such a server decides by rules of its own.
                target = replace(target, extensions=dict.fromkeys(target.extensions, True))
            with Session(self.shell, ends.source, ends.database, programs.impatient()) as session:
                source = Source.read(session.query(statements.SOURCE_FACTS)[0][0])
                migrations = session.query(statements.MIGRATIONS)
                left_out = _excluded(session, excluded)
            here = _machine(Client(self.shell, ends.source), source.folder)
            client = Client(self.shell, ends.target)
            found = Facts(source, target, here, _machine(client, target.folder))
            facts.check(ends.target.where, found, ends.names, ends.hint)
            live = client.query(statements.MIGRATIONS, ends.names.live)
            notes.extend(facts.notes(found))
        for text in compare.migrations(migrations, live, pull=ends.pull):
            self.console.warn(text)
        return found, left_out

    def arrive(self, admin: Session, found: Facts, excluded: Collection[str]) -> Filled:
        """Copy the source beside the live database and verify it.

        What was thought to be there already, and was not, is sent in a second attempt.
        """
        copied = self.copy(admin, found, excluded)
        try:
            self.verify(found, copied)
        except CopyDiffers as error:
            if not copied.reused:
                raise
            self.console.warn(f"{error.what}; all of it is sent now")
            admin.query(statements.drop(self.ends.names.incoming))
            again = self.copy(admin, found, excluded, whole=True)
            self.verify(found, again)
            return replace(again, sent=copied.sent + again.sent)
        return copied

    def copy(
        self, admin: Session, found: Facts, excluded: Collection[str], *, whole: bool = False
    ) -> Filled:
        """Copy the source into a database beside the live one."""
        begin, incoming = time.monotonic(), self.ends.names.incoming
        with self.console.progress(of_bytes=True) as progress:
            task = progress.add_task("Copy", total=None)
            beside.create(self.shell, admin, self.ends, found)

            def advance(count: int) -> None:
                progress.advance(task, count)

            copied = beside.fill(self.shell, self.ends, found, advance, excluded, whole=whole)
        took = seconds(time.monotonic() - begin)
        known = f", {copied.reused} rows were there" if copied.reused else ""
        self.console.say(f"✓ Copy it into {incoming}  {size(copied.sent)}{known}  {took}")
        return copied

    def verify(self, found: Facts, copied: Filled) -> None:
        """Compare the copy with the source, table by table."""
        with self.console.step("Verify: count and compare all rows on both sides") as notes:
            beside.verify(self.shell, self.ends, found, copied.content, copied.later)
            notes.append(copied.content.counted)

    def switch(self, opened: Cutover) -> float:
        """Put the copy in the place of the live database and return the downtime in ms."""
        with self.console.step(f"Switch to it, keep the old one as {self.ends.names.previous}"):
            return opened.arrive()


def _machine(client: Client, folder: str | None) -> Machine:
    where = "/" if client.server.address or not folder else folder
    return programs.machine(client.run(programs.ask_machine(where)).stdout)


def _excluded(session: Session, names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        matching = [table for (table,) in session.query(tables.named(name))]
        if not matching:
            raise ConfigurationError(
                "--exclude-data", f"{name} is no table there", "write TABLE or SCHEMA.TABLE"
            )
        found.extend(matching)
    return found
