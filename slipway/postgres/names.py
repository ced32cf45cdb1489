"""Name the databases of a push (pure)."""

from dataclasses import dataclass

from slipway.errors import DatabaseError
from slipway.postgres.quoting import LONGEST_NAME, identifier

INCOMING, PREVIOUS, OUTDATED = SUFFIXES = ("__incoming", "__previous", "__outdated")
ADMINISTRATION = "postgres"


@dataclass(frozen=True, slots=True)
class Names:
    """Hold the database that serves, the one that arrives, and the one that served before."""

    live: str

    def __post_init__(self) -> None:
        longest = LONGEST_NAME - max(map(len, SUFFIXES))
        if len(self.live.encode()) > longest:
            what = f"the name {self.live!r} leaves no room for {self.previous!r} beside it"
            raise DatabaseError("", what, f"a database may have up to {longest} bytes in its name")
        identifier(self.live)
        if self.live == ADMINISTRATION:
            what = f"{self.live} is where administrators connect, and cannot be renamed meanwhile"
            raise DatabaseError("", what, "keep the site's data in a database of its own")

    @property
    def incoming(self) -> str:
        """Return the name of the database that arrives."""
        return self.live + INCOMING

    @property
    def previous(self) -> str:
        """Return the name of the database that served before the last push."""
        return self.live + PREVIOUS

    @property
    def outdated(self) -> str:
        """Return the name of the database that a push has replaced as the previous one."""
        return self.live + OUTDATED
