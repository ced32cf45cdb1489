import itertools
from typing import Any
from unittest.mock import Mock

import pytest
from requests import ConnectionError as NoConnection

from slipway import rollout, swarm
from slipway.command import Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import DeployError, HostError
from slipway.rollout import Stalled
from slipway.swarm import Task
from tests.unit.fakeswarm import FakeSwarm, node, spec, task
from tests.unit.faketime import without_waiting

STACK = "myapp-test"
WEB = "myapp-test_web"


@pytest.fixture
def fake(fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> FakeSwarm:
    without_waiting(monkeypatch, rollout)
    monkeypatch.setattr(rollout, "STALLED_SECONDS", 0.15)
    monkeypatch.setattr(rollout, "STUCK_SECONDS", 0.1)
    monkeypatch.setattr(rollout, "PAUSE", 0.01)
    monkeypatch.setattr(rollout, "SILENCE_SECONDS", 0.1)
    return fake


def judge(tasks: list[dict[str, Any]], state: str = "", replicas: int = 2) -> rollout.Progress:
    update = {"State": state, "Message": f"because of {tasks[0]['ID']}"} if state else None
    service = {"Spec": spec(WEB, replicas=replicas), "UpdateStatus": update}
    return rollout.progress(service, [Task.read(one) for one in tasks])


def test_a_service_is_settled_when_all_its_tasks_run_as_specified() -> None:
    assert judge([task("running"), task("running")]).settled
    assert judge([task("running"), task("running")], "completed").settled
    assert not judge([task("running"), task("starting")]).serving
    assert not judge([task("running")]).serving


def test_swarm_must_have_stopped_watching() -> None:
    one = judge([task("running"), task("running")], "updating")
    assert one.serving
    assert not one.settled


def test_a_task_more_than_wanted_is_no_reason_to_wait() -> None:
    assert judge([task("running")] * 3).serving


def test_tasks_of_another_release_that_are_being_stopped_are_counted_where_a_host_is_up() -> None:
    tasks = [task("running"), task("running")]
    tasks += [task("running", "myapp:2", "shutdown") | {"NodeID": name} for name in ("up", "down")]
    tasks.append(task("shutdown", "myapp:2", "shutdown") | {"NodeID": "up"})
    found = [Task.read(one) for one in tasks]
    one = rollout.progress({"Spec": spec(WEB, replicas=2)}, found, {"up"})
    assert (one.serving, one.ending) == (True, 1)


def test_a_host_that_goes_down_meanwhile_ends_a_roll_out(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.nodes = {name: node(name) for name in ("host1", "host2", "host3")}
    fake.nodes["host3"] = node("host3", "down")
    monkeypatch.setattr(swarm, "deploy", lambda *_: fake.add(spec(WEB)))
    assert rollout.roll_out(Shell(), fake.engine, STACK, "", {}) == 1

    def deploy(*_: object) -> None:
        fake.nodes["host2"] = node("host2", "down")

    monkeypatch.setattr(swarm, "deploy", deploy)
    with pytest.raises(HostError, match="host2: went down meanwhile"):
        rollout.roll_out(Shell(), fake.engine, STACK, "", {})


def test_an_old_task_that_is_still_wanted_is_waited_for() -> None:
    old = task("running", image="myapp:0")
    assert not judge([task("running"), task("running"), old]).serving
    old["DesiredState"] = "shutdown"
    assert judge([task("running"), task("running"), old]).serving


@pytest.mark.parametrize(
    "state", ["paused", "rollback_started", "rollback_paused", "rollback_completed"]
)
def test_whatever_swarm_calls_it_a_roll_back_is_a_failure(state: str) -> None:
    failing = task("failed", image="myapp:0", desired="shutdown", error="unhealthy container")
    failure = judge([failing, task("running"), task("running")], state).failure
    assert failure == "because of task-myapp:0-failed: unhealthy container"
    assert not judge([task("running"), task("running")], "completed").failure


def test_a_first_release_fails_when_its_tasks_keep_failing() -> None:
    failing = task("failed", desired="shutdown", error="exit 1")
    assert judge([failing] * 2 + [task("starting")]).failure == ""
    assert judge([failing] * 3 + [task("starting")]).failure == "exit 1"


def test_failures_of_before_are_none_of_a_service_that_serves() -> None:
    failing = task("failed", desired="shutdown", error="out of memory")
    one = judge([failing] * 3 + [task("running")] * 2)
    assert (one.failure, one.settled) == ("", True)


def test_tasks_that_end_again_and_again_are_given_up(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(spec(WEB))
    numbers = itertools.count()
    monkeypatch.setattr(rollout, "RESTLESS_SECONDS", 0.3)
    tasks = [task("starting"), task("running")]
    monkeypatch.setattr(
        swarm, "tasks", lambda *_: [Task.read(one | {"ID": str(next(numbers))}) for one in tasks]
    )
    with pytest.raises(DeployError, match=r"its tasks find no rest within 0\.3 s"):
        rollout.settle(fake.engine, STACK)


def fail(fake: FakeSwarm, error: BaseException, new: str = "") -> None:
    """Change the web service, add the service `new`, and fail."""
    with rollout.put_back_on_failure([fake.engine], STACK, Console()):
        if WEB in fake.services:
            fake.services[WEB]["Spec"] = spec(WEB, "myapp:2")
        if new:
            fake.add(spec(new))
        fake.services.pop("myapp-test_pruned", None)
        raise error


@pytest.mark.parametrize("error", [DeployError("x", "y"), KeyboardInterrupt()])
def test_a_failure_puts_every_service_of_the_stack_back(
    fake: FakeSwarm, error: BaseException
) -> None:
    other = fake.add(spec("other_web"))
    for name in (WEB, "myapp-test_same", "myapp-test_pruned"):
        fake.add(spec(name))
    same = fake.services["myapp-test_same"]["ID"]
    with pytest.raises(type(error)):
        fail(fake, error, "myapp-test_new")
    names = {WEB, "myapp-test_same", "myapp-test_pruned", "other_web"}
    assert {n: s["Spec"] for n, s in fake.services.items()} == {n: spec(n) for n in names}
    assert fake.services["other_web"] is other
    assert not any(same in change for change in fake.changes)


def test_without_a_failure_nothing_is_put_back(fake: FakeSwarm) -> None:
    fake.add(spec(WEB))
    with rollout.put_back_on_failure([fake.engine], STACK, Console()):
        fake.services[WEB]["Spec"] = spec(WEB, "myapp:2")
    assert fake.changes == []


def test_a_first_release_that_fails_is_taken_away(fake: FakeSwarm) -> None:
    with pytest.raises(DeployError):
        fail(fake, DeployError("x", "y"), WEB)
    assert fake.services == {}


def test_what_cannot_be_put_back_is_said_and_the_first_error_stays(
    fake: FakeSwarm, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.add(spec(WEB))
    fake.fates["myapp:1"] = "pending"
    with pytest.raises(DeployError, match="the first"):
        fail(fake, DeployError("web", "the first"))
    assert "could not put everything back" in capsys.readouterr().err


def test_swarm_is_told_once_more_where_it_is_stuck(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(spec(WEB))
    fake.fates["myapp:1"] = "pending"
    put_back = spec(WEB)

    def update(_: Engine, service: dict[str, Any], wanted: dict[str, Any]) -> None:
        done.append((service["Spec"], wanted))
        fake.services[WEB]["Spec"] = put_back
        if len(done) == 2:
            fake.fates["myapp:1"] = "running"

    done: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(swarm, "update", update)
    with pytest.raises(DeployError, match="the first"):
        fail(fake, DeployError("web", "the first"))
    assert done == [(spec(WEB, "myapp:2"), put_back), (put_back, put_back)]


def test_the_running_release_is_read_from_labels_only_while_it_runs_whole(fake: FakeSwarm) -> None:
    assert rollout.running(fake.engine, STACK) is None
    web = spec(WEB)
    web["Labels"]["slipway.release"] = "r1"
    fake.add(web)
    labels = rollout.running(fake.engine, STACK)
    assert labels is not None
    assert labels["slipway.release"] == "r1"
    fake.fates["myapp:1"] = "starting"
    assert rollout.running(fake.engine, STACK) is None


def test_a_roll_out_that_stops_moving_is_given_up(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarm, "deploy", lambda *_: fake.add(spec(WEB)))
    fake.fates["myapp:1"] = "pending"
    with pytest.raises(Stalled, match="nothing has moved"):
        rollout.roll_out(Shell(), fake.engine, STACK, "", {})
    fake.fates.clear()
    assert rollout.roll_out(Shell(), fake.engine, STACK, "", {}) == 1


def test_a_release_that_serves_is_settled_when_swarm_stops_watching(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = fake.add(spec(WEB))
    web["UpdateStatus"] = {"State": "updating"}
    monkeypatch.setattr(swarm, "deploy", lambda *_: None)
    assert rollout.roll_out(Shell(), fake.engine, STACK, "", {}) == 1
    with pytest.raises(Stalled, match="nothing has moved"):
        rollout.settle(fake.engine, STACK)
    web["UpdateStatus"] = {"State": "rollback_completed", "Message": "it turned bad"}
    with pytest.raises(DeployError, match="it turned bad"):
        rollout.settle(fake.engine, STACK)
    web["UpdateStatus"] = {"State": "completed"}
    rollout.settle(fake.engine, STACK)


def test_a_release_is_settled_when_the_one_before_is_asked_no_more(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(spec(WEB))
    fake.nodes = {"host1": node("host1")}
    old = task("running", "myapp:0", "shutdown") | {"NodeID": "id-host1"}
    fake.ending = [old]
    monkeypatch.setattr(rollout, "LEAVING_SECONDS", 60)
    with pytest.raises(Stalled, match="nothing has moved"):
        rollout.settle(fake.engine, STACK)
    # It may have a long upload under way; of a restarted engine Swarm may believe so for ever.
    monkeypatch.setattr(rollout, "LEAVING_SECONDS", 0)
    rollout.settle(fake.engine, STACK)
    monkeypatch.setattr(rollout, "LEAVING_SECONDS", 60)
    old["Status"]["State"] = "shutdown"
    rollout.settle(fake.engine, STACK)


@pytest.mark.parametrize("grace", [3_600_000_000_000, 0])
def test_what_the_release_before_has_under_way_is_waited_for(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch, grace: int
) -> None:
    fake.add(spec(WEB))
    fake.nodes = {"host1": node("host1")}
    old = task("running", "myapp:0", "shutdown") | {"NodeID": "id-host1"}
    old["Spec"]["ContainerSpec"]["StopGracePeriod"] = grace
    fake.ending = [old]
    for name in ("LEAVING_SECONDS", "MARGIN_SECONDS", "GRACE"):
        monkeypatch.setattr(rollout, name, 0)
    if grace:
        with pytest.raises(DeployError, match="nothing has moved"):
            rollout.outlast(fake.engine, STACK)
        old["Status"]["State"] = "shutdown"
    rollout.outlast(fake.engine, STACK)


def test_an_engine_that_restarts_is_waited_for(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = iter([False, True, True, False, True])
    for patience in ("SILENCE_SECONDS", "STALLED_SECONDS"):
        monkeypatch.setattr(rollout, patience, 60)

    def call(*arguments: Any, **more: Any) -> Any:
        if next(silent, False):
            raise NoConnection("reset")
        return fake.call(*arguments, **more)

    monkeypatch.setattr(swarm, "deploy", lambda *_: fake.add(spec(WEB)))
    monkeypatch.setattr(swarm, "call", call)
    assert rollout.roll_out(Shell(), fake.engine, STACK, "", {}) == 1


def test_an_engine_that_stays_silent_is_given_up(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*_: Any, **__: Any) -> Any:
        raise NoConnection("reset")

    monkeypatch.setattr(swarm, "deploy", lambda *_: None)
    monkeypatch.setattr(swarm, "call", call)
    with pytest.raises(NoConnection):
        rollout.roll_out(Shell(), fake.engine, STACK, "", {})


def test_the_next_manager_puts_back_where_the_first_is_silent(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(spec(WEB))
    second, down = Engine(Mock(), "unix:///second", "host2"), [False]

    def call(engine: Engine, *arguments: Any, **more: Any) -> Any:
        if engine is not second and down[0]:
            raise NoConnection("powered off")
        return fake.call(engine, *arguments, **more)

    def power_off() -> None:
        with rollout.put_back_on_failure([fake.engine, second], STACK, Console()):
            fake.services[WEB]["Spec"] = spec(WEB, "myapp:2")
            down[0] = True
            raise DeployError("web", "the first")

    monkeypatch.setattr(swarm, "call", call)
    with pytest.raises(DeployError, match="the first"):
        power_off()
    assert fake.services[WEB]["Spec"] == spec(WEB)


def test_a_run_that_lost_its_lease_puts_nothing_back(fake: FakeSwarm) -> None:
    def lose() -> None:
        with rollout.put_back_on_failure([fake.engine], STACK, Console(), lambda: True):
            fake.services[WEB]["Spec"] = spec(WEB, "myapp:2")
            raise DeployError("x", "took over")

    fake.add(spec(WEB))
    with pytest.raises(DeployError):
        lose()
    assert fake.services[WEB]["Spec"] == spec(WEB, "myapp:2")
    assert fake.changes == []


def test_what_is_put_back_is_not_rolled_back_to_the_release_that_failed(fake: FakeSwarm) -> None:
    web = spec(WEB)
    web["UpdateConfig"] = {"FailureAction": "rollback", "Order": "start-first"}
    fake.add(web)
    with pytest.raises(DeployError):
        fail(fake, DeployError("x", "y"))
    kept = fake.services[WEB]["Spec"]
    assert kept["UpdateConfig"] == {"FailureAction": "continue", "Order": "start-first"}
    assert {**kept, "UpdateConfig": 0} == {**web, "UpdateConfig": 0}


def test_a_release_that_runs_badly_is_the_one_to_go_back_from(fake: FakeSwarm) -> None:
    assert rollout.specified(fake.engine, STACK) is None
    fake.add(spec(WEB))
    fake.fates["myapp:1"] = "starting"
    assert rollout.specified(fake.engine, STACK) == spec(WEB)["Labels"]
    assert rollout.running(fake.engine, STACK) is None
