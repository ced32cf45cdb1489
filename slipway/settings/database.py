"""Read [database]: the database service on the hosts (pure)."""

from dataclasses import dataclass

from slipway.settings import checks
from slipway.toml import Table

IMAGE = "postgres:17-trixie"


@dataclass(frozen=True, slots=True)
class Database:
    """Hold which image the database service runs, and how much memory it may use."""

    image: str = IMAGE
    memory: str = "2G"


def read(table: Table) -> Database:
    """Read the table; what is wrong goes to its problems."""
    database = Database(
        image=table.text("image", IMAGE),
        memory=table.text("memory", "2G", check=checks.size, example='"2G"'),
    )
    table.finish()
    return database
