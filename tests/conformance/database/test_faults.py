"""Kill whatever takes part, at random moments, on every path: nothing is lost.

After each fault the site has a whole database, the old one or, where the switch was made, the
new one; the next run succeeds and leaves nothing beside.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from slipway.console import Console
from slipway.database import pull_db, push_db, undo_db
from slipway.errors import SlipwayError
from slipway.postgres import cutover
from slipway.postgres.ends import Ends
from slipway.postgres.server import Client, Server
from tests.conformance.database import content
from tests.conformance.database.servers import SITE, Pair, shell
from tests.unit.factory import environment

# Each of the three paths is hurt so often in each of the two ways: 30 times by 'make long'.
TIMES = 30 if os.environ.get("SLIPWAY_LONG") else 8
SEED = 6
RUNS = "application_name = 'slipway' AND pid <> pg_backend_pid()"
WHOLE = {"new 1", "old 1", "there 1"}


@dataclass
class Path:
    """Hold one way to change a database."""

    task: str
    ends: Ends

    def run(self) -> None:
        flow = {"push": push_db, "pull": pull_db, "undo": undo_db}[self.task]
        flow(environment(), Console(), ends=self.ends)  # type: ignore[operator]

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

    def check(self, before: tuple[str, str], moment: float) -> None:
        """Assert that nothing was lost."""
        after = self.state()
        assert set(after) <= WHOLE, (moment, before, after)
        if self.task == "undo":
            assert sorted(after) == sorted(before), (moment, before, after)
        else:
            assert after == before or after[1] == before[0], (moment, before, after)


@pytest.fixture(params=["push", "pull", "undo"])
def path(request: pytest.FixtureRequest, pair: Pair) -> Path:
    pair.fresh(content.SMALL)
    push_db(environment(), Console(), ends=pair.ends)
    if request.param != "pull":
        return Path(request.param, pair.ends)
    pair.target.query("UPDATE marker SET text = 'there';", SITE)
    pull = Path("pull", pair.back)
    pull.run()
    return pull


def lasting(path: Path) -> float:
    """Return how long a run lasts that nobody hurts."""
    begin = time.monotonic()
    path.run()
    return time.monotonic() - begin


def ended(server: Server) -> Callable[[], object]:
    """End the run's own processes of a server."""
    sql = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {RUNS};"
    return lambda: Client(shell, server).query(sql)


def test_database_processes_are_ended_at_any_moment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutover, "LEASE_SECONDS", 60.0)
    chance, longest = random.Random(SEED), lasting(path)
    for number in range(TIMES):
        before, moment = path.state(), chance.uniform(0.0, longest)
        server = (path.ends.source, path.ends.target)[number % 2]
        timer = threading.Timer(moment, ended(server))
        timer.start()
        with suppress(SlipwayError):
            path.run()
        timer.join()
        path.check(before, moment)
    path.run()
    assert path.leftovers() == []


def test_the_client_is_killed_at_any_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover, "LEASE_SECONDS", 60.0)
    chance, longest, ends = random.Random(SEED), lasting(path), set()
    for _ in range(TIMES):
        before, moment = path.state(), chance.uniform(0.0, 1.1 * longest)
        child = started(path)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        ends.add(os.waitpid(child, 0)[1])
        path.check(before, moment)
    assert signal.SIGKILL in ends
    path.run()
    assert path.leftovers() == []


def started(path: Path) -> int:
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
