"""Hurt whatever takes part, at random moments, on every path: nothing is lost.

After each fault the site has a whole database, the old one or, where the switch was made, the
new one; the next run succeeds and leaves nothing beside.
"""

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path as Folder
from unittest.mock import patch

import pytest

from slipway import baseimages
from slipway.command import Command
from slipway.console import Console
from slipway.database import pull_db, push_db, undo_db
from slipway.environment import Environment
from slipway.errors import SlipwayError
from slipway.postgres import cutover
from slipway.postgres.ends import Ends
from slipway.postgres.server import Client, Server
from slipway.secrets import Secret
from slipway.settings.hosts import Host
from tests.conformance.database import content, host
from tests.conformance.database.servers import (
    IMAGE,
    SITE,
    Pair,
    docker,
    ready,
    shell,
    started,
    until,
)
from tests.unit.factory import environment

# Each of the three paths is hurt so often in each of the ways: 30 times by 'make long'.
TIMES = 30 if os.environ.get("SLIPWAY_LONG") else 4
SEED = 6
NUMBERS = itertools.count(1)
RUNS = "application_name = 'slipway' AND pid <> pg_backend_pid()"
DISK = "size=600m"


@dataclass
class Place:
    """Hold the servers, whose files lie in small disks of their own, and a host in front."""

    pair: Pair
    disks: dict[str, Folder]
    there: Host


@dataclass
class Path:
    """Hold one way to change a database."""

    task: str
    ends: Ends
    disk: Folder
    site: Environment = field(default_factory=environment)
    wanted: str = ""

    def run(self) -> None:
        flow = {"push": push_db, "pull": pull_db, "undo": undo_db}[self.task]
        flow(self.site, Console(), ends=self.ends)  # type: ignore[operator]

    def state(self) -> tuple[str, str]:
        """Return what serves and what is kept, each read whole."""
        names = self.ends.names
        return self._said(names.live), self._said(names.previous)

    def leftovers(self) -> list[list[str]]:
        names = f"('{self.ends.names.incoming}', '{self.ends.names.outdated}')"
        ask = f"SELECT datname FROM pg_database WHERE datname IN {names};"
        return Client(shell, self.ends.target).query(ask)

    def _said(self, database: str) -> str:
        ask = "SELECT min(text) || ' ' || count(*) FROM marker;"
        return Client(shell, self.ends.target).query(ask, database)[0][0]

    def renew(self) -> None:
        """Give the source a content that nobody has seen before."""
        if self.task != "undo":
            content = f"content {next(NUMBERS)}"
            sql = f"UPDATE marker SET text = '{content}';"
            Client(shell, self.ends.source).query(sql, self.ends.database)
            self.wanted = f"{content} 1"

    def check(self, before: tuple[str, str], moment: float) -> None:
        """Assert that nothing was lost: all is as before, or the switch was made."""
        switched = before[::-1] if self.task == "undo" else (self.wanted, before[0])
        after = self.state()
        assert after in (before, switched), (moment, before, switched, after)


@contextmanager
def mounted(folder: Folder) -> Iterator[Folder]:
    """Give a folder that is a disk of its own, in memory."""
    folder.mkdir()
    shell.run(Command.of("mount", "-t", "tmpfs", "-o", DISK, "tmpfs", folder))
    try:
        yield folder
    finally:
        shell.run(Command.of("umount", folder))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    baseimages.ensure([IMAGE, host.IMAGE])
    root = tmp_path_factory.mktemp("faults")
    local = {"POSTGRES_USER": "me", "POSTGRES_DB": "postgres", "POSTGRES_PASSWORD": "local"}
    with ExitStack() as stack:
        here, away = (stack.enter_context(mounted(root / name)) for name in ("here", "away"))
        source = stack.enter_context(started(variables=local, data=str(here)))
        hosts = {"POSTGRES_PASSWORD": "hosts"}
        target = stack.enter_context(started(variables=hosts, data=str(away)))
        there = stack.enter_context(host.serving(f"{target}-host", root))
        servers = (
            Server("the local database", source, "me", password=Secret("local")),
            Server("host1", target),
        )
        yield Place(Pair(*servers), {source: here, target: away}, there)


@pytest.fixture(params=["push", "pull", "undo"])
def path(request: pytest.FixtureRequest, place: Place) -> Iterator[Path]:
    pair = place.pair
    pair.fresh(content.SMALL)
    push_db(environment(), Console(), ends=pair.ends)
    ends = pair.ends
    if request.param == "pull":
        pair.target.query("UPDATE marker SET text = 'there';", SITE)
        ends = pair.back
    made = Path(request.param, ends, place.disks[ends.target.container])
    if request.param == "pull":
        made.run()
    yield made
    pair.clear()


def hurt(path: Path, fault: Callable[[int], object], mend: Callable[[], object]) -> None:
    """Run again and again, each time with a fault at another moment, and lose nothing."""
    chance, longest, said = random.Random(SEED), lasting(path), list[str]()
    done: list[int] = []

    def strike(number: int) -> None:
        fault(number)
        done.append(number)

    for number in range(TIMES):
        path.renew()
        # One moment in each part of the whole: they shall not all be too late.
        before, moment = path.state(), longest * (number + chance.random()) / TIMES
        timer = threading.Timer(moment, strike, [number])
        timer.start()
        try:
            # What happens after the switch is a warning.
            with patch.object(Console, "warn", lambda _, text: said.append(text)):
                path.run()
        except SlipwayError as error:
            said.append(str(error))
        timer.join()
        mend()
        path.check(before, moment)
    assert done == list(range(TIMES))
    assert [text for text in said if "\n" in text] == []
    # Moments are random, but all of them too late would be odd; an undo is over in no time.
    assert said or path.task == "undo"
    path.run()
    assert path.leftovers() == []


def lasting(path: Path) -> float:
    """Return how long a run lasts that nobody hurts."""
    begin = time.monotonic()
    path.run()
    return time.monotonic() - begin


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover, "LEASE_SECONDS", 60.0)


def test_database_processes_are_ended_at_any_moment(path: Path) -> None:
    sql = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {RUNS};"

    def end(number: int) -> None:
        Client(shell, (path.ends.source, path.ends.target)[number % 2]).query(sql)

    hurt(path, end, lambda: None)


def test_the_connection_to_the_host_is_cut_at_any_moment(path: Path, place: Place) -> None:
    site = environment(hosts=(place.there,))
    far = replace(place.pair.ends.target, host=place.there)
    pull = path.task == "pull"
    ends = replace(path.ends, source=far) if pull else replace(path.ends, target=far)
    over_ssh = replace(path, ends=ends, site=site)
    container = f"{far.container}-host"
    cut = Command.of("docker", "exec", container, "pkill", "sshd-session")
    hurt(over_ssh, lambda _: shell.run(cut, check=False), lambda: None)


def test_the_host_restarts_at_any_moment(path: Path) -> None:
    container = path.ends.target.container

    def restart(_: int) -> None:
        docker("kill", container)
        docker("start", container)

    hurt(path, restart, lambda: ready(container))


def test_the_disk_is_full_from_any_moment_on(path: Path) -> None:
    container, ballast = path.ends.target.container, path.disk / "ballast"

    def fill(_: int) -> None:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            with suppress(OSError):
                # At once: a push is over in a second.
                free = os.statvfs(path.disk)
                os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (4 << 20))
                file.seek(0, os.SEEK_END)
            while True:
                file.write(bytes(1 << 16))

    def make_room() -> None:
        ballast.unlink()
        # A server that could not write its log ends itself, if only some moments later.
        answers = Command.of("docker", "exec", container, "pg_isready", "--host=127.0.0.1")
        until(
            lambda: docker("start", container) != "" and shell.run(answers, check=False).code == 0
        )

    hurt(path, fill, make_room)


def test_the_client_is_killed_at_any_moment(path: Path) -> None:
    chance, longest, ends = random.Random(SEED), lasting(path), set()
    for _ in range(TIMES):
        path.renew()
        before, moment = path.state(), chance.uniform(0.0, 1.1 * longest)
        child = begun(path)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        ends.add(os.waitpid(child, 0)[1])
        path.check(before, moment)
    assert signal.SIGKILL in ends
    path.run()
    assert path.leftovers() == []


def begun(path: Path) -> int:
    """Run in a process of its own, which needs no time to begin."""
    child = os.fork()
    if child:
        return child
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(null, number)
        path.run()
    finally:
        os._exit(0)
