"""Push a database with the tools that people use for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.database.servers import PASSWORD, SITE, Pair, docker, shell
from slipway.buildkit import network_options
from slipway.command import Command

PGCOPYDB = "slipway-bench-pgcopydb"
DOCKERFILE = b"""FROM debian:trixie-slim
RUN --mount=type=secret,id=ca,target=/run/ca.pem apt-get -o Acquire::https::CAInfo=/run/ca.pem \
    update --quiet && apt-get -o Acquire::https::CAInfo=/run/ca.pem install --yes --quiet \
    --no-install-recommends pgcopydb=0.17* postgresql-client-17
"""
RESTORE = "pg_restore --no-owner --no-acl --exit-on-error"
Push = Callable[[Pair, str], None]


def dump_restore(pair: Pair, database: str) -> None:
    """Pipe pg_dump -Fc into pg_restore, with the default compression."""
    _piped(pair, f"pg_dump -U postgres -Fc {database}", f"{RESTORE} -U postgres -d {SITE}")


def dump_restore_plain(pair: Pair, database: str) -> None:
    """Do the same without compression."""
    _piped(pair, f"pg_dump -U postgres -Fc -Z0 {database}", f"{RESTORE} -U postgres -d {SITE}")


def psql(pair: Pair, database: str) -> None:
    """Pipe plain SQL into psql."""
    read = f"psql -q -v ON_ERROR_STOP=1 -U postgres -d {SITE} -o /dev/null"
    _piped(pair, f"pg_dump -U postgres --no-owner --no-acl {database}", read)


def directory(pair: Pair, database: str) -> None:
    """Dump in parallel into a folder beside the target, and restore it in parallel."""
    source = pair.source.server.container
    dump = f"pg_dump -h {source} -U postgres -Fd -Z0 -j2 -f /tmp/dump {database}"
    restore = f"{RESTORE} -U postgres -j2 -d {SITE} /tmp/dump"
    _beside(pair, f"rm -rf /tmp/dump && {dump} && {restore} && rm -rf /tmp/dump")


def divio(pair: Pair, database: str) -> None:
    """Dump into a file, carry it over, drop, create, restore: the way of Divio's CLI."""
    _piped(pair, f"pg_dump -U postgres -Fc {database}", "cp /dev/stdin /tmp/dump")
    again = f"dropdb -U postgres --force {SITE} && createdb -U postgres -O {SITE} {SITE}"
    _beside(pair, f"{again} && {RESTORE} -U postgres -d {SITE} /tmp/dump && rm /tmp/dump")


def pgcopydb(pair: Pair, database: str) -> None:
    """Run pgcopydb clone in a container of its own."""
    source, target = pair.source.server.container, pair.target.server.container
    urls = (
        f"postgres://postgres:{PASSWORD}@{source}/{database}",
        f"postgres://postgres:{PASSWORD}@{target}/{SITE}",
    )
    jobs = ("--table-jobs", "2", "--index-jobs", "2", "--no-owner", "--no-acl", "--not-consistent")
    words = ("pgcopydb", "clone", "--dir", "/tmp/copy", *jobs, "--source", urls[0])
    docker("run", "--rm", "--network", pair.network, PGCOPYDB, *words, "--target", urls[1])


PEERS: dict[str, Push] = {
    "pg_dump -Fc | pg_restore": dump_restore,
    "pg_dump -Fc -Z0 | pg_restore": dump_restore_plain,
    "pg_dump -Fd -j2, pg_restore -j2": directory,
    "pg_dump | psql": psql,
    "pgcopydb": pgcopydb,
    "Divio's way": divio,
}


@contextmanager
def built() -> Iterator[None]:
    """Build the image with pgcopydb, once."""
    words = ("docker", "buildx", "build", "--load", *network_options({}), "--tag", PGCOPYDB, "-")
    shell.run(Command.of(*words, stdin=DOCKERFILE))
    yield


def _piped(pair: Pair, write: str, read: str) -> None:
    source, target = pair.source.server.container, pair.target.server.container
    script = f"docker exec {source} {write} | docker exec --interactive {target} {read}"
    shell.run(Command.of("bash", "-o", "pipefail", "-c", script))


def _beside(pair: Pair, script: str) -> None:
    target = pair.target.server.container
    words = ("exec", "--env", f"PGPASSWORD={PASSWORD}", target, "sh", "-c", script)
    docker(*words)
