"""Run PostgreSQL servers in containers for tests."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from slipway.command import Command, Shell
from slipway.dsn import DatabaseDsn
from slipway.postgres import role
from slipway.postgres.ends import Ends
from slipway.postgres.names import Names
from slipway.postgres.programs import Rows
from slipway.postgres.server import Client, Server
from slipway.secrets import Secret

IMAGE = "postgres:17-trixie"
DATA = "/var/lib/postgresql/data"
SITE = "site"
# Characters that a careless quoting would trip over.
PASSWORD = Secret("p'ä$s\"w\\o%rd")
shell = Shell()


def docker(*words: str, stdin: bytes | None = None) -> str:
    return shell.run(Command.of("docker", *words, stdin=stdin)).stdout.strip()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@contextmanager
def started(
    *options: str, arguments: Sequence[str] = (), variables: Mapping[str, str], data: str = ""
) -> Iterator[str]:
    """Run a server and give the container's name; `data` is a folder for its files."""
    name = f"dbtest-{secrets.token_hex(4)}"
    words = [word for item in variables.items() for word in ("--env", "=".join(item))]
    # In memory: a busy disk would make each of the many CREATE DATABASE wait for seconds.
    mount = ["--volume", f"{data}:{DATA}"] if data else ["--tmpfs", DATA]
    words += [*mount, *options]
    docker("run", "--detach", "--name", name, *words, IMAGE, "postgres", *arguments)
    try:
        ready(name)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def ready(container: str) -> None:
    """Wait until a server answers."""
    asked = Command.of("docker", "exec", container, "pg_isready", "--host=127.0.0.1")
    until(lambda: shell.run(asked, check=False).code == 0)


class Pair:
    """Hold a local server and an environment's, each with a database for one test."""

    def __init__(self, source: Server, target: Server) -> None:
        self.source, self.target = Client(shell, source), Client(shell, target)
        self.ends = Ends(source, "local", target, Names(SITE), SITE)
        self.dsn = DatabaseDsn(SITE, PASSWORD, "db", SITE)

    @property
    def back(self) -> Ends:
        """Return the ends of a pull."""
        ends = self.ends
        return Ends(ends.target, SITE, ends.source, Names("local"), "me", pull=True)

    def fresh(self, sql: str) -> None:
        """Make both databases anew: `sql` fills the local one, the other holds one old row."""
        self.clear()
        self.source.query("CREATE DATABASE local;")
        self.source.query(sql, "local")
        role.converge(self.target, self.dsn)
        self.target.query(
            f"SET ROLE {SITE}; CREATE TABLE marker (text text); INSERT INTO marker VALUES ('old');",
            SITE,
        )

    def clear(self) -> None:
        for name in ("local", "local__incoming", "local__previous", "local__outdated"):
            self.source.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
        names = self.ends.names
        for name in ("gate", SITE, names.incoming, names.previous, names.outdated):
            self.target.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody fill the table `a_gate` of content.GATED at the target meanwhile."""
        self.target.query("CREATE DATABASE gate;")
        try:
            yield
        finally:
            self.target.query("DROP DATABASE IF EXISTS gate;")

    def fills(self) -> bool:
        """Return whether somebody waits at the gate in the arriving database."""
        found = self.target.query(
            "SELECT 1 FROM pg_stat_activity WHERE query ILIKE '%COPY%a_gate%' "
            f"AND state = 'active' AND datname = '{self.ends.names.incoming}';"
        )
        return found != []

    def databases(self) -> set[str]:
        found = self.target.query(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres';"
        )
        return {name for (name,) in found}

    def live(self, sql: str) -> Rows:
        return self.target.query(sql, SITE)

    def marker(self) -> str:
        """Return what the live database says of itself."""
        return self.live("SELECT text FROM marker;")[0][0]
