"""Kill a run after each of its steps, as a power failure does; the next run completes it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slipway import envfile, provision, variables
from slipway.console import Console
from slipway.dsn import S3Dsn
from slipway.environment import Environment, read_variables
from slipway.plan import Plan
from slipway.storage import provider
from slipway.storage.s3_client import client
from tests.conformance.storage import places
from tests.conformance.storage.places import Place
from tests.unit.factory import ROOT, environment

# As many steps as a fresh bucket takes there, the env file and the end.
SERVERS = {"seaweedfs": (places.seaweedfs, 11), "azurite": (places.azurite, 6)}
MOMENTS = [(server, count) for server, (_, steps) in SERVERS.items() for count in range(steps)]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(start(tmp_path_factory.mktemp(name)))
            for name, (start, _) in SERVERS.items()
        }


def wanted(root: Path, provider: str, endpoint: str, name: str) -> Environment:
    """Return the environment as a run of this moment reads it."""
    site = environment(root=root, storage=Place(provider, endpoint, {}).wanted(name))
    return replace(site, variables=read_variables(site.env_file))


class Life:
    """Count what was done, and end without a word after so much of it."""

    def __init__(self, kill_after: int) -> None:
        self.left = kill_after

    def done(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def after(self, act: Callable[..., None]) -> Callable[..., None]:
        def watched(*arguments: Any) -> None:
            act(*arguments)
            self.done()

        return watched


def run(site: Environment, kill_after: int = -1) -> None:
    """Converge storage and env file, and die after so many steps of it."""
    made, life = provider(site), Life(kill_after)
    steps = [replace(step, act=life.after(step.act)) for step in made.steps()]
    life.done()
    values = variables.values(site, made.dsn())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envfile, "write", life.after(envfile.write))
        work = provision.Work(made, steps, values, Plan(()))
        provision._converge(site, work, Console())
    life.done()


@pytest.mark.parametrize(("server", "count"), MOMENTS)
def test_a_run_killed_after_any_step_is_completed_by_the_next(
    started: dict[str, Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
    count: int,
) -> None:
    place = started[server]
    for name, value in place.administrator.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "env").mkdir()
    template = (ROOT / "env" / envfile.TEMPLATE).read_text()
    (tmp_path / "env" / envfile.TEMPLATE).write_text(template)
    name = f"killed-{count}"
    found = (tmp_path, place.provider, place.endpoint, name)
    words = [sys.executable, "-m", __name__, *map(str, found), str(count)]
    child = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    run(wanted(*found))
    done = wanted(*found)
    made = provider(done)
    assert made.steps() == []
    used = made.dsn()
    if isinstance(used, S3Dsn):  # an account of Azure has two keys, neither of which is made here
        iam = client(done.storage, "iam")
        keys = iam.list_access_keys(UserName="myapp-test-media")["AccessKeyMetadata"]
        assert [key["AccessKeyId"] for key in keys] == [used.key]
    made.prove()
    for step in made.removal():
        step.act()


if __name__ == "__main__":
    folder, kind, address, bucket, after = sys.argv[1:]
    run(wanted(Path(folder), kind, address, bucket), int(after))
