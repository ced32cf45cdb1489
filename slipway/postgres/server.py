"""Run PostgreSQL's programs in a container, on this machine or on a host."""

import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from slipway import dsn, engine, ssh, swarm
from slipway.command import Command, Result, Shell
from slipway.dsn import DatabaseDsn
from slipway.engine import Engine
from slipway.environment import Environment, read_variables
from slipway.errors import ConfigurationError, DatabaseError, HostError, SlipwayError
from slipway.local import project
from slipway.postgres import programs, statements
from slipway.postgres.programs import Rows
from slipway.secrets import Secret
from slipway.settings.database import IMAGE
from slipway.settings.hosts import Host

SUPERUSER = "postgres"
ROOT_FILE, PASSWORD_FILE = "/run/authorities.pem", "/run/password"
# What libpq calls the authorities that the image knows.
SYSTEM = "system"
# A push that waits for its slower half must not be taken for one that was forgotten; and what
# is read only until the switch is to be written beside.
PATIENCE = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
PATIENCE += " -c default_transaction_read_only=off"
MEMORY = "/dev/shm"  # noqa: S108
DAY = 24 * 3600
# What a run that was killed has left there is removed by one of a later day.
KEEP = f"""umask 077; cat >"$1"
find {MEMORY} -maxdepth 1 -name 'slipway-*.p*' -user "$(id -un)" -mtime +0 -delete"""
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"


class Psql(Protocol):
    """Answer a query of one database with rows of texts; an absent value is empty."""

    def query(self, sql: str, database: str = SUPERUSER) -> Rows:
        """Run statements and return the rows; raises DatabaseError."""


@dataclass(frozen=True, slots=True)
class Server:
    """Hold a PostgreSQL server: where it is, and who administers it.

    `where` names it in messages; without `host` its container runs on this machine. A server
    elsewhere has an `address` instead of a container: its programs run in containers of their
    own, of `image`, on the host if there is one. Once it is reached, `secrets_file` lies there and
    holds the password, and so does `root_file` with the authorities that may vouch for it.
    """

    where: str
    container: str
    user: str = SUPERUSER
    host: Host | None = None
    password: Secret | None = None
    address: DatabaseDsn | None = None
    secrets_file: str = ""
    root_file: str = ""
    image: str = IMAGE

    def command(self, argv: list[str], options: str = "") -> Command:
        """Return the command that runs a program beside the server.

        `options` are settings for its session (`-c name=value …`).
        """
        words = [
            "docker",
            *self._start(),
            "--interactive",
            "--env",
            f"PGAPPNAME={statements.APPLICATION}",
        ]
        words += ["--env", "PGCLIENTENCODING=UTF8", "--env", f"PGOPTIONS={PATIENCE} {options}"]
        if self.host:
            return ssh.remote(self.host, *words, *self._run(argv))
        # Of a container that is there already nobody can ask for the variables of a program.
        secret = {"PGPASSWORD": self.password} if self.password and not self.address else {}
        words += [word for name in secret for word in ("--env", name)]
        return Command.of(*words, *self._run(argv), env=secret)

    def failure(self, said: str, code: int) -> SlipwayError:
        """Turn what a program wrote to its standard error into one line."""
        if self.host and code == 255:
            return ssh.refusal(self.host, said)
        return DatabaseError(self.where, programs.explain(said))

    def _start(self) -> list[str]:
        if not self.address:
            return ["exec"]
        at = self.address
        # Without a log, in which all rows would lie on the disk.
        words = ["run", "--rm", "--log-driver=none", "--network=host"]
        words += ["--env", f"PGHOST={at.host}"]
        words += ["--env", f"PGPORT={at.port}", "--env", f"PGSSLMODE={at.sslmode or 'prefer'}"]
        if self.root_file:
            words += ["--volume", f"{self.root_file}:{ROOT_FILE}:ro"]
            words += ["--env", f"PGSSLROOTCERT={ROOT_FILE}"]
        elif at.sslrootcert == SYSTEM:
            words += ["--env", f"PGSSLROOTCERT={SYSTEM}"]
        if self.secrets_file:
            words += ["--volume", f"{self.secrets_file}:{PASSWORD_FILE}:ro"]
            words += ["--env", f"PGPASSFILE={PASSWORD_FILE}"]
        return words

    def _run(self, argv: list[str]) -> list[str]:
        if self.address:
            return ["--entrypoint", argv[0], self.image, *argv[1:]]
        return [self.container, *argv]


@dataclass(frozen=True, slots=True)
class Client:
    """Send single queries, each through a psql of its own."""

    shell: Shell
    server: Server

    def query(self, sql: str, database: str = SUPERUSER) -> Rows:
        """Run statements and return the rows; raises DatabaseError or HostError."""
        words = [*programs.psql(self.server.user, database), "--set", "ON_ERROR_STOP=1"]
        return programs.rows(self.run(words, stdin=sql.encode()).stdout)

    def run(self, argv: list[str], stdin: bytes | None = None, options: str = "") -> Result:
        """Run a program beside the server; raises DatabaseError or HostError."""
        command = self.server.command(argv, options)
        command = Command(command.argv, command.env, stdin)
        result = self.shell.run(command, check=False)
        if result.code != 0:
            raise self.server.failure(result.stderr or result.stdout, result.code)
        return result


def local(environment: Environment) -> tuple[Server, str]:
    """Find the local site's server and the name of its database.

    Raises ConfigurationError, or DatabaseError where it does not run.
    """
    url = read_variables(environment.root / "env" / "local.env").get("DATABASE_URL")
    if not url:
        raise ConfigurationError(
            "env/local.env", "DATABASE_URL is missing", "run 'invoke local.up'"
        )
    wanted = dsn.database(url, "env/local.env: DATABASE_URL")
    labels = {PROJECT: project(environment.root), SERVICE: "db"}
    with engine.local() as here:
        container = _container(here, labels)
    if not container:
        raise DatabaseError(
            "the local database", "does not run on this machine", "run 'invoke local.up'"
        )
    server = Server("the local database", container, wanted.user, password=wanted.password)
    return server, wanted.name


@contextmanager
def reached(shell: Shell, found: Server) -> Iterator[Server]:
    """Keep what opens a server elsewhere beside its programs, as long as the context is open.

    The password is in a file that only its owner reads, in the memory where there is such a
    folder: command lines and the variables of containers are for others to see, too. Raises
    HostError.
    """
    if not found.address:
        yield found
        return
    password = found.address.password.reveal().replace("\\", "\\\\").replace(":", "\\:")
    line = Secret(f"*:*:*:*:{password}\n")
    if not found.host:
        folder = MEMORY if Path(MEMORY).is_dir() else tempfile.gettempdir()
        _sweep(Path(folder))
        with tempfile.NamedTemporaryFile(dir=folder, prefix="slipway-", suffix=".pgpass") as file:
            file.write(line.reveal().encode())
            file.flush()
            yield replace(found, secrets_file=file.name)
        return
    path = f"{MEMORY}/slipway-{secrets.token_hex(8)}"
    kept = replace(found, secrets_file=f"{path}.pgpass")
    try:
        _keep(shell, found.host, kept.secrets_file, line)
        if found.root_file:
            kept = replace(kept, root_file=f"{path}.pem")
            _keep(shell, found.host, kept.root_file, Path(found.root_file).read_bytes())
        yield kept
    finally:
        # What went wrong before is what is told of.
        with suppress(HostError):
            ssh.run(shell, found.host, "rm", "-f", f"{path}.pgpass", f"{path}.pem", check=False)


def _sweep(folder: Path) -> None:
    """Remove what a run that was killed has left here on an earlier day."""
    for path in folder.glob("slipway-*.pgpass"):
        with suppress(OSError):
            status = path.stat()
            if status.st_uid == os.geteuid() and status.st_mtime < time.time() - DAY:
                path.unlink()


def _keep(shell: Shell, host: Host, path: str, content: bytes | Secret) -> None:
    ssh.run(shell, host, "sh", "-c", KEEP, "sh", path, stdin=content)


def elsewhere(
    address: DatabaseDsn, root: Path, host: Host | None = None, image: str = IMAGE
) -> Server:
    """Return a server that an address names, reached from this machine or from a host.

    The file of its authorities is looked for below `root`. Raises ConfigurationError.
    """
    file = ""
    if address.sslrootcert not in {"", SYSTEM}:
        path = root / address.sslrootcert
        if not path.is_file():
            raise ConfigurationError(
                f"{'DATABASE_URL' if host else '--from'}: sslrootcert",
                f"{path} is not there",
                "put the authorities' certificates (PEM) there",
            )
        file = str(path.resolve())
    return Server(
        address.host, "", address.user, host, address.password, address, root_file=file, image=image
    )


def deployed(shell: Shell, environment: Environment) -> Server:
    """Find the environment's server on its hosts; raises DatabaseError or HostError."""
    service = f"{environment.stack}-services_db"
    # The sessions take the same connection: a tunnel of its own would cost ten round trips more.
    look = ("docker", "container", "ls", "--quiet", "--no-trunc", "--filter", "status=running")
    for host in environment.hosts:
        label = f"label={swarm.SERVICE}={service}"
        found = ssh.run(shell, host, *look, "--filter", label, check=False)
        if found.code:
            raise engine.silent(host)
        if found.stdout.strip():
            return Server(host.name, found.stdout.split()[0], host=host)
    names = ", ".join(host.name for host in environment.hosts)
    hint = f"run 'invoke provision -e {environment.name}'"
    raise DatabaseError(names, f"no container of the service {service} runs", hint)


def _container(found: Engine, labels: dict[str, str]) -> str:
    wanted = [f"{name}={value}" for name, value in labels.items()]
    with engine.refusals(found):
        containers = found.client.containers.list(filters={"label": wanted, "status": "running"})
    return next((str(container.id) for container in containers), "")
