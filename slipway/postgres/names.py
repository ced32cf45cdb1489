"""Name the databases of a push (pure)."""

from dataclasses import dataclass

from slipway.postgres.quoting import identifier


@dataclass(frozen=True, slots=True)
class Names:
    """Hold the database that serves, the one that arrives, and the one that served before."""

    live: str

    def __post_init__(self) -> None:
        identifier(self.incoming)
        identifier(self.previous)
        identifier(self.outdated)

    @property
    def incoming(self) -> str:
        """Return the name of the database that arrives."""
        return f"{self.live}__incoming"

    @property
    def previous(self) -> str:
        """Return the name of the database that served before the last push."""
        return f"{self.live}__previous"

    @property
    def outdated(self) -> str:
        """Return the name of the database that a push has replaced as the previous one."""
        return f"{self.live}__outdated"
