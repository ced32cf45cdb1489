"""Run the two servers of the benchmark, and fill them."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from slipway.command import Command, Shell
from slipway.postgres.ends import Ends
from slipway.postgres.names import Names
from slipway.postgres.server import Client, Server
from slipway.settings.hosts import Host

IMAGE = "postgres:17-trixie"
PASSWORD = "bench"
SITE = "site"
shell = Shell()


@dataclass(frozen=True, slots=True)
class Pair:
    """Hold two servers on one network; the containers' names are their host names."""

    source: Client
    target: Client
    network: str

    def ends(self, database: str, there: Host | None = None) -> Ends:
        """Return what push-db asks for, the target on a host if one is given."""
        target = replace(self.target.server, host=there)
        return Ends(self.source.server, database, target, Names(SITE), SITE)

    def fresh(self) -> None:
        """Empty the target, but for the database that is to be replaced."""
        for name in (SITE, *(f"{SITE}__{end}" for end in ("incoming", "previous", "outdated"))):
            self.target.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
        self.target.query(f"CREATE DATABASE {SITE} OWNER {SITE};")
        for one in (self.source, self.target):
            one.query("CHECKPOINT;")

    def fill(self, database: str, sql: str) -> None:
        """Make a database to be pushed."""
        self.source.query(f"CREATE DATABASE {database};")
        self.source.query(sql, database)
        self.source.query("VACUUM (FREEZE, ANALYZE);", database)


def docker(*words: str, stdin: bytes | None = None) -> str:
    """Run the docker program."""
    return shell.run(Command.of("docker", *words, stdin=stdin)).stdout.strip()


@contextmanager
def running() -> Iterator[Pair]:
    """Run both servers while the context is open."""
    own = f"slipway-bench-{secrets.token_hex(3)}"
    docker("network", "create", own)
    names = (f"{own}-source", f"{own}-target")
    try:
        for name in names:
            _start(name, own)
        source, target = (Client(shell, Server(name, name)) for name in names)
        target.query(f"CREATE ROLE {SITE} LOGIN PASSWORD '{PASSWORD}';")
        yield Pair(source, target, own)
    finally:
        for name in names:
            shell.run(Command.of("docker", "rm", "--force", "--volumes", name), check=False)
        docker("network", "rm", own)


def _start(name: str, network: str) -> None:
    words = ("--network", network, "--shm-size", "512m", "--env", f"POSTGRES_PASSWORD={PASSWORD}")
    settings = ("-c", "max_wal_size=4GB", "-c", "shared_buffers=256MB", "-c", "wal_level=replica")
    docker("run", "--detach", "--name", name, *words, IMAGE, "postgres", *settings)
    ready = Command.of("docker", "exec", name, "pg_isready", "--host=127.0.0.1")
    deadline = time.monotonic() + 60
    while shell.run(ready, check=False).code:
        assert time.monotonic() < deadline, f"{name} does not start"
        time.sleep(0.2)
