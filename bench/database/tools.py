"""Push a database with the tools that people use for it."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.database.servers import PASSWORD, SITE, Pair, docker, shell
from slipway import ssh
from slipway.buildkit import network_options
from slipway.command import Command
from slipway.settings.hosts import Host

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


def over_ssh(there: Host) -> dict[str, Push]:
    """Return what people use over a slow link: one stream over SSH, or a file."""

    def far(command: str) -> str:
        return shlex.join(ssh.remote(there, "sh", "-c", command).argv)

    def stream(dump: str, restore: str) -> Push:
        def push(pair: Pair, database: str) -> None:
            source, target = pair.source.server.container, pair.target.server.container
            write = f"pg_dump -U postgres -Fc {dump.format(database)}"
            read = f"{restore} -U postgres -d {SITE}"
            near = f"docker exec {source} sh -c {shlex.quote(write)}"
            away = far(f"docker exec -i {target} sh -c {shlex.quote(read)}")
            shell.run(Command.of("bash", "-o", "pipefail", "-c", f"{near} | {away}"))

        return push

    def divio_over_ssh(pair: Pair, database: str) -> None:
        source, target = pair.source.server.container, pair.target.server.container
        near = f"docker exec {source} pg_dump -U postgres -Fc {database}"
        carried = f"{near} >/tmp/dump-{source} && {far('cat >/tmp/dump')} </tmp/dump-{source}"
        again = f"dropdb -U postgres --force {SITE} && createdb -U postgres -O {SITE} {SITE}"
        again += f" && {RESTORE} -U postgres -d {SITE}"
        restore = far(f"docker exec -i {target} sh -c {shlex.quote(again)} </tmp/dump")
        try:
            shell.run(Command.of("bash", "-c", f"{carried} && {restore}"))
        finally:
            Path(f"/tmp/dump-{source}").unlink(missing_ok=True)

    return {
        "-Fc -Z0 | zstd -3 | ssh": stream("-Z0 {} | zstd -3", f"zstd -d | {RESTORE}"),
        "-Fc (gzip) | ssh": stream("{}", RESTORE),
        "Divio's way": divio_over_ssh,
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
