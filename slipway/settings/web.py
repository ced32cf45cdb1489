"""Read [web]: how the site runs on the hosts (pure)."""

from dataclasses import dataclass

from slipway.toml import Table


@dataclass(frozen=True, slots=True)
class Web:
    """Hold how many tasks of the site run."""

    replicas: int = 2


def read(table: Table) -> Web:
    """Read the table; what is wrong goes to its problems."""
    web = Web(replicas=table.number("replicas", 2, 1, 100))
    table.finish()
    return web
