"""Read [database]: the database service on the hosts (pure)."""

import re
from dataclasses import dataclass

from slipway.settings import checks
from slipway.toml import Table

IMAGE = "postgres:17-trixie"


@dataclass(frozen=True, slots=True)
class Database:
    """Hold which image the database service runs, and how much memory it may use."""

    image: str = IMAGE
    memory: str = "2G"

    @property
    def major(self) -> int:
        """Return the main version of PostgreSQL that the image's name tells; 0 where it does not.

        As in postgres:17-trixie, timescaledb:2.17.2-pg17, postgis:17-3.5.
        """
        name = self.image.rpartition("/")[2].partition("@")[0]
        named = re.search(r"(?:pg|postgres|postgresql)[-_]?(\d{1,2})(?!\d)", name)
        tagged = re.search(r":v?(\d{1,2})(?!\d)", name)
        found = named or tagged
        return int(found[1]) if found else 0


def read(table: Table) -> Database:
    """Read the table; what is wrong goes to its problems."""
    database = Database(
        image=table.text("image", IMAGE),
        memory=table.text("memory", "2G", check=checks.size, example='"2G"'),
    )
    table.finish()
    return database
