"""Hold a server's databases for one run: alone, tidied, and switched."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from slipway.command import Shell
from slipway.errors import DatabaseError
from slipway.postgres import renaming, statements
from slipway.postgres.names import Names
from slipway.postgres.renaming import Switch
from slipway.postgres.server import Server
from slipway.postgres.session import Session
from slipway.postgres.switch import switch

# A run that was killed lets go of its lease as soon as the server notices.
LEASE_SECONDS = 10.0
PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Cutover:
    """Change which of one site's databases serves; `admin` is connected to another one."""

    shell: Shell
    server: Server
    names: Names
    admin: Session
    warn: Callable[[str], object]

    def take_lease(self) -> None:
        """Become the only run that changes these databases; raises DatabaseError."""
        deadline = time.monotonic() + LEASE_SECONDS
        while self.admin.query(statements.lease(self.names)) != [["t"]]:
            if time.monotonic() > deadline:
                raise DatabaseError(
                    self.server.where, "another push to this database runs", "wait for it"
                )
            time.sleep(PAUSE)

    def tidy(self) -> None:
        """Remove what a killed run left; the previous database serves where no other does."""
        names, there = self.names, self.databases()
        if names.live not in there and names.previous in there:
            self.warn(f"{names.live} was missing: {names.previous} takes its place again")
            self.admin.query(statements.rename(names.previous, names.live))
            there.discard(names.previous)
        if names.incoming in there:
            self.warn(f"a push was killed before: {names.incoming} is removed")
            self.admin.query(statements.drop(names.incoming))
        if names.outdated in there and names.previous in there:
            self.admin.query(statements.drop(names.outdated))
        elif names.outdated in there:
            self.admin.query(statements.rename(names.outdated, names.previous))

    def databases(self) -> set[str]:
        """Return the names of all databases of the server."""
        return {name for (name,) in self.admin.query(statements.DATABASES)}

    def arrive(self) -> float:
        """Let the incoming database serve and return the downtime in ms.

        The one that was kept until now is dropped only once the new one serves.
        """
        kept = self.names.previous in self.databases()
        downtime = self._switch(renaming.arrival(self.names, previous=kept))
        self.admin.query(statements.drop(self.names.outdated))
        return downtime

    def undo(self) -> float:
        """Let the previous database serve, keep the present one; return the downtime in ms."""
        self.check_previous()
        return self._switch(renaming.undoing(self.names))

    def check_previous(self) -> None:
        """Raise DatabaseError where no previous database is kept."""
        if self.names.previous not in self.databases():
            what = f"no {self.names.previous} is kept"
            raise DatabaseError(self.server.where, what, "there is nothing to go back to")

    def drop_previous(self) -> None:
        """Drop the previous database; raises DatabaseError where none is kept."""
        self.check_previous()
        self.admin.query(statements.drop(self.names.previous))

    def _switch(self, step: Switch) -> float:
        with Session(self.shell, self.server) as second:
            return switch(self.admin, second, step)


@contextmanager
def opened(
    shell: Shell, server: Server, names: Names, warn: Callable[[str], object]
) -> Iterator[Cutover]:
    """Hold the databases alone while the context is open, tidied; raises DatabaseError."""
    with Session(shell, server) as admin:
        cutover = Cutover(shell, server, names, admin, warn)
        cutover.take_lease()
        cutover.tidy()
        yield cutover
