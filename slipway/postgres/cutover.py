"""Hold a server's databases for one run: alone, tidied, and switched."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace

from slipway import interrupt
from slipway.command import Shell
from slipway.errors import DatabaseError, SlipwayError
from slipway.postgres import compare, renaming, statements
from slipway.postgres.facts import check_prepared
from slipway.postgres.names import Names
from slipway.postgres.renaming import Switch
from slipway.postgres.server import Client, Server
from slipway.postgres.session import Session, StatementError
from slipway.postgres.switch import switch

# A run that was killed lets go of its lease as soon as the server notices.
Check = Callable[[], object]
LEASE_SECONDS = 10.0
TELLING_SECONDS = 30.0
PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Cutover:
    """Change which of one site's databases serves; both sessions are connected to another one.

    A previous one may have been `kept`, when the context began.
    """

    shell: Shell
    server: Server
    names: Names
    admin: Session
    second: Session
    warn: Callable[[str], object]
    check: Check
    kept: bool = False
    session: str = ""  # the number by which the server knows `admin`

    def take_lease(self) -> str:
        """Become the only run that changes these databases; return the session's number.

        Raises DatabaseError.
        """
        deadline = time.monotonic() + LEASE_SECONDS
        while True:
            [[ours, session]] = self.admin.query(statements.lease(self.names))
            if ours == "t":
                return session
            if time.monotonic() > deadline:
                raise DatabaseError(
                    self.server.where, "another push to this database runs", "wait for it"
                )
            time.sleep(PAUSE)

    def tidy(self) -> bool:
        """Remove what a killed run left, and return whether a previous database is kept.

        It serves where no other does.
        """
        names, there = self.names, self.databases()
        half = {name for (name,) in self.admin.query(statements.HALF_DROPPED)}
        for name in {names.previous, names.outdated} & half:
            self.warn(f"{name} was dropped half, and is of no use: it is removed")
            self.admin.query(statements.drop(name))
            there.discard(name)
        if names.live not in there and names.previous in there:
            self.warn(f"{names.live} was missing: {names.previous} takes its place again")
            self.admin.query(statements.rename(names.previous, names.live))
            there.discard(names.previous)
        if names.incoming in there:
            self.warn(f"a push was killed before: {names.incoming} is removed")
            self.admin.query(statements.drop(names.incoming))
        if names.outdated in there and names.previous in there:
            self._drop(names.outdated)
        elif names.outdated in there:
            self.admin.query(statements.rename(names.outdated, names.previous))
            there.add(names.previous)
        return names.previous in there

    def databases(self) -> set[str]:
        """Return the names of all databases of the server."""
        return {name for (name,) in self.admin.query(statements.DATABASES)}

    def arrive(self) -> float:
        """Let the incoming database serve and return the downtime in ms.

        The one that was kept until now is dropped only once the new one serves.
        """
        kept = self.names.previous in self.databases()
        downtime = self._switched(renaming.arrival(self.names, previous=kept))
        if kept:
            try:
                self.admin.query(statements.drop(self.names.outdated))
            except SlipwayError as error:
                more = f"{self.names.outdated} stays until the next run: {error.what}"
                self._note(f"the switch is made; {more}")
            except KeyboardInterrupt:
                self._note(f"the switch is made; the next run removes {self.names.outdated}")
        return downtime

    def undo(self) -> float:
        """Let the previous database serve, keep the present one; return the downtime in ms."""
        self.check_previous()
        if [self.names.previous] in self.admin.query(statements.CLOSED):
            what = f"{self.names.previous} takes no connections"
            hint = "ALTER DATABASE … ALLOW_CONNECTIONS true lets it"
            raise DatabaseError(self.server.where, what, hint)
        [[count]] = self.admin.query(statements.prepared(self.names) + ";")
        check_prepared(self.server.where, self.names, int(count))
        with suppress(SlipwayError):
            # Somebody may hold the table locked: then there is nothing to say.
            asked = (statements.IMPATIENT, statements.MIGRATIONS)
            back, served = (
                Client(self.shell, self.server).query("\n".join(asked), name)
                for name in (self.names.previous, self.names.live)
            )
            for text in compare.migrations(back, served, compare.UNDONE):
                self.warn(text)
        return self._switched(renaming.undoing(self.names))

    def _switched(self, step: Switch) -> float:
        """Make a switch and return the downtime in ms; raises DatabaseError where it is not made.

        What happens afterwards is no failure: whoever ran it again would lose what was kept.
        """
        [[number, session]] = self.admin.query(statements.number(step.arriving))
        with interrupt.waits(lambda: self.warn("the switch is under way, and ends in seconds")):
            try:
                downtime = switch(self.admin, self.second, step)
            except SlipwayError as error:
                if not self._serves(number, session, error):
                    raise
                self._note(f"the switch was made, and then: {error.line()}")
                downtime = 0.0
            kept = self.names.previous
            interrupt.advise(f"the switch was made before, and what served is kept as {kept}")
        return downtime

    def _serves(self, number: str, session: str, error: SlipwayError) -> bool:
        """Return whether a database serves once a session is done.

        Raises DatabaseError where nobody can tell.
        """
        deadline = time.monotonic() + TELLING_SECONDS
        while time.monotonic() < deadline:
            with suppress(SlipwayError):
                found = Client(self.shell, self.server).query(statements.named(number, session))
                if not found:
                    return False
                [[name, busy]] = found
                if name == self.names.live or busy == "f":
                    return name == self.names.live
            time.sleep(PAUSE)
        what = f"whether the switch was made is not known: {error.what}"
        hint = "look at the site before you run it again; 'invoke undo-db' switches back"
        raise DatabaseError(self.server.where, what, hint)

    def _note(self, text: str) -> None:
        """Say what is no failure; the terminal may be what is gone."""
        with suppress(OSError):
            self.warn(text)

    def check_previous(self) -> None:
        """Raise DatabaseError where no previous database is kept."""
        if self.names.previous not in self.databases():
            what = f"no {self.names.previous} is kept"
            raise DatabaseError(self.server.where, what, "there is nothing to go back to")

    def drop_previous(self) -> None:
        """Drop the previous database; raises DatabaseError where none is kept."""
        self.check_previous()
        self._drop(self.names.previous)

    def _drop(self, name: str) -> None:
        """Drop a database that nobody needs; raises DatabaseError."""
        try:
            self.admin.query(statements.drop(name))
        except StatementError as error:
            hint = "connect to it, drop there what holds it, then run it again"
            raise DatabaseError(self.server.where, error.what, hint) from None


@contextmanager
def opened(
    shell: Shell,
    server: Server,
    names: Names,
    warn: Callable[[str], object],
    held: AbstractContextManager[Check] | None = None,
) -> Iterator[Cutover]:
    """Hold the databases alone while the context is open, tidied; raises DatabaseError.

    What else must be `held` for that is entered while the server is being reached; it gives
    what raises where it is lost.
    """
    with (
        Session(shell, server) as admin,
        Session(shell, server) as second,
        held or nullcontext(lambda: None) as check,
    ):
        cutover = Cutover(shell, server, names, admin, second, warn, check)
        cutover = replace(cutover, session=cutover.take_lease())
        yield replace(cutover, kept=cutover.tidy())
        admin.end()
        second.end()
