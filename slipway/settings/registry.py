"""Read [registry]: an image registry that the hosts reach by themselves (pure)."""

from dataclasses import dataclass

from slipway.toml import Table


@dataclass(frozen=True, slots=True)
class Registry:
    """Hold the registry's address with the folder in it, or nothing: then images go over SSH."""

    address: str = ""


def read(table: Table) -> Registry:
    """Read the table; what is wrong goes to its problems."""
    address = table.text("address", "")
    if "://" in address or address.endswith("/"):
        hint = 'write "registry.example.com/team", without scheme and tag'
        table.problems.add(f"registry.address = {address!r} is no place for images", hint)
    table.finish()
    return Registry(address)
