"""Read [[hosts]]: how each host is reached over SSH (pure)."""

import hashlib
from dataclasses import astuple, dataclass
from pathlib import Path

from slipway.settings import checks
from slipway.toml import Table


@dataclass(frozen=True, slots=True)
class Host:
    """Hold how a host is reached over SSH, and whether it may lead the Swarm."""

    name: str
    address: str
    port: int = 22
    user: str = "root"
    identity_file: Path | None = None
    known_hosts_file: Path | None = None
    manager: bool = False

    @property
    def connection(self) -> str:
        """Return a short name for this way of reaching the host: only what is equal is shared.

        A connection that was opened with other keys proves nothing about these.
        """
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:20]


def read(table: Table, root: Path) -> tuple[Host, ...]:
    """Read all tables of the document; what is wrong goes to its problems."""
    entries = enumerate(table.tables("hosts"))
    hosts = tuple(_host(entry, root, first=number == 0) for number, entry in entries)
    if not hosts:
        table.problems.add("hosts is empty", "add [[hosts]] with name and address")
    for key in ("name", "address"):
        seen = [getattr(host, key) for host in hosts]
        for twice in sorted({value for value in seen if value and seen.count(value) > 1}):
            table.problems.add(f"hosts: the {key} {twice!r} is there twice", "give each its own")
    return hosts


def _host(entry: Table, root: Path, *, first: bool) -> Host:
    host = Host(
        name=entry.text("name", check=checks.name, example='"web1"'),
        address=entry.text("address", check=checks.address, example='"203.0.113.10"'),
        port=entry.number("port", 22, 1, 65535),
        user=entry.text("user", "root"),
        identity_file=entry.path("identity_file", root),
        known_hosts_file=entry.path("known_hosts_file", root),
        manager=entry.flag("manager", first),
    )
    if first and not host.manager:
        entry.problems.add("hosts: the first one is no manager", "let it lead the Swarm")
    entry.finish()
    return host
