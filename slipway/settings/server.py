"""Read [server]: what is true of every host besides the site itself (pure)."""

import re
from dataclasses import dataclass

from slipway.settings import checks
from slipway.toml import Table

USER = re.compile(r"([a-z_][a-z0-9_-]{0,30})?")
ENGINES = ("docker.io", "docker-ce")
PORT = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Server:
    """Hold how hosts are kept: who gets in, and what they do by themselves."""

    user: str = "deploy"
    ssh_keys_only: bool = True
    firewall: bool = True
    open_ports: tuple[str, ...] = ()
    updates: bool = True
    journal_size: str = "500M"
    engine: str = "docker.io"


def read(table: Table) -> Server:
    """Read the table; what is wrong goes to its problems."""
    server = Server(
        user=table.text("user", "deploy", check=_user),
        ssh_keys_only=table.flag("ssh_keys_only", True),
        firewall=table.flag("firewall", True),
        open_ports=table.texts("open_ports"),
        updates=table.flag("updates", True),
        journal_size=table.text("journal_size", "500M", check=checks.size, example='"500M"'),
        engine=table.text("engine", "docker.io", check=_engine, example='"docker-ce"'),
    )
    for port in server.open_ports:
        if not PORT.fullmatch(port) or int(port) > 65535:
            table.problems.add(f"server.open_ports: {port!r} is no port", 'write it like "9100"')
    table.finish()
    return server


def _user(text: str) -> str | None:
    return None if USER.fullmatch(text) else "is no user's name"


def _engine(text: str) -> str | None:
    return None if text in ENGINES else f"is no engine's package (known: {', '.join(ENGINES)})"
