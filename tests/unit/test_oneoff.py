from collections.abc import Mapping

import pytest

from slipway import oneoff, swarm
from slipway.command import Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import DeployError
from slipway.oneoff import OneOff
from slipway.secrets import Secret
from tests.unit.factory import environment
from tests.unit.fakeswarm import FakeSwarm, spec
from tests.unit.faketime import FakeTime, without_waiting

WORDS = ("python", "manage.py", "release")
TEXT = "services: {web: {image: '${IMAGE}'}}"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSwarm:
    fake = FakeSwarm()

    def deploy(_: Shell, __: Engine, stack: str, ___: str, variables: Mapping[str, str]) -> None:
        fake.add(spec(f"{stack}_task", variables["IMAGE"]))

    monkeypatch.setattr(swarm, "call", fake.call)
    monkeypatch.setattr(swarm, "deploy", deploy)
    without_waiting(monkeypatch, oneoff)
    monkeypatch.setattr(oneoff, "PAUSE", 0.01)
    monkeypatch.setattr(oneoff, "PENDING_SECONDS", 0.1)
    monkeypatch.setattr(oneoff, "TRIAL_SECONDS", 0.1)
    monkeypatch.setattr(oneoff, "ORPHAN_SECONDS", 0.1)
    return fake


def tasks(fake: FakeSwarm) -> OneOff:
    variables = {"SECRET_KEY": Secret("hidden-key")}
    subject = environment(variables=variables)
    return OneOff(Shell(), Console(), [fake.engine], subject, {"IMAGE": "myapp:2"})


def test_migrations_are_applied_once_and_the_task_is_removed(fake: FakeSwarm) -> None:
    fake.fates["myapp:2"] = "complete"
    fake.said = b"2026-11-22T14:00:00Z   Applying auth.0001_initial... OK\n"
    said = tasks(fake).run("release", TEXT, WORDS, 1)
    assert said == "  Applying auth.0001_initial... OK"
    assert fake.services == {}


def test_a_failing_migration_says_why_without_secrets(
    fake: FakeSwarm, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.fates["myapp:2"] = "failed"
    fake.errors["myapp:2"] = "task: non-zero exit (1)"
    fake.said = b"2026-11-22T14:00:02Z no column hidden-key\n2026-11-22T14:00:01Z Traceback\n"
    with pytest.raises(DeployError) as caught:
        tasks(fake).run("release", TEXT, WORDS, 1)
    assert str(caught.value) == (
        "release: task: non-zero exit (1): no column ***; the old release goes on serving"
    )
    assert capsys.readouterr().err == "    Traceback\n    no column ***\n"
    assert fake.services == {}


def test_a_healthy_trial_passes_and_is_removed(fake: FakeSwarm) -> None:
    tasks(fake).try_out(TEXT)
    assert fake.services == {}


@pytest.mark.parametrize("state", ["failed", "rejected", "complete"])
def test_a_trial_that_ends_is_a_failure(fake: FakeSwarm, state: str) -> None:
    fake.fates["myapp:2"] = state
    fake.errors["myapp:2"] = "no such image"
    with pytest.raises(DeployError, match="the new release: no such image"):
        tasks(fake).try_out(TEXT)
    assert fake.services == {}


@pytest.mark.parametrize("state", ["pending", "starting"])
def test_a_trial_that_never_becomes_healthy_is_given_up(fake: FakeSwarm, state: str) -> None:
    fake.fates["myapp:2"] = state
    fake.errors["myapp:2"] = "no suitable node"
    with pytest.raises(DeployError, match=f"still {state} no suitable node after 0 s"):
        tasks(fake).try_out(TEXT)
    assert fake.services == {}


def test_an_interrupt_removes_the_task(fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.fates["myapp:2"] = "starting"

    def interrupt(*_: object) -> None:
        assert list(fake.services) == ["myapp-test-release_task"]
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeTime, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tasks(fake).run("release", TEXT, WORDS, 1)
    assert fake.services == {}


def test_what_a_killed_run_left_is_cleared_away(fake: FakeSwarm) -> None:
    fake.add(spec("myapp-test-trial_task", "myapp:1"))
    fake.add(spec("myapp-test-release_task", "myapp:2"))
    fake.add(spec("myapp-test_web"))
    fake.fates["myapp:2"] = "complete"
    oneoff.clear(fake.engine, "myapp-test")
    assert list(fake.services) == ["myapp-test_web"]


def test_a_migration_that_still_runs_is_left_alone(fake: FakeSwarm) -> None:
    fake.add(spec("myapp-test-release_task"))
    with pytest.raises(DeployError, match="still migrates"):
        oneoff.clear(fake.engine, "myapp-test")
    assert list(fake.services) == ["myapp-test-release_task"]


def test_tasks_of_a_run_that_took_over_are_left_alone(fake: FakeSwarm) -> None:
    theirs = spec("myapp-test-trial_task", "myapp:3")
    theirs["Labels"]["slipway.release"] = "theirs"
    fake.add(theirs)
    variables = {"IMAGE": "myapp:2", "RELEASE": "ours"}
    ours = OneOff(Shell(), Console(), [fake.engine], environment(), variables)
    ours._remove("myapp-test-trial")
    assert list(fake.services) == ["myapp-test-trial_task"]


def test_a_run_that_lost_its_lease_waits_for_nothing_more(fake: FakeSwarm) -> None:
    def lost() -> None:
        raise DeployError("host1", "somebody took over")

    fake.fates["myapp:2"] = "starting"
    run = OneOff(Shell(), Console(), [fake.engine], environment(), {"IMAGE": "myapp:2"}, lost)
    with pytest.raises(DeployError, match="took over"):
        run.try_out(TEXT)
