import base64
import json
from unittest.mock import Mock

import docker
import pytest
from docker.errors import APIError
from requests import Response

from slipway import swarm
from slipway.command import Command, Result, Shell
from slipway.engine import Engine
from slipway.errors import DeployError
from tests.unit.fakeswarm import FakeSwarm, spec, task


def answering(status: int, body: object) -> tuple[Engine, Mock]:
    response = Response()
    response.status_code = status
    response._content = json.dumps(body).encode()
    response.url = "http+docker://localhost/v1.41/services"
    client = Mock()
    client.api.base_url = "http+docker://localhost"
    client.api.api_version = "1.41"
    client.api.request.return_value = response
    return Engine(client, "unix:///fake", "host1"), client.api.request


def test_a_request_goes_to_the_engine_with_its_filters() -> None:
    engine, request = answering(200, [{"ID": "x"}])
    assert swarm.call(engine, "GET", "/services", filters={"label": ["a=b"]}) == [{"ID": "x"}]
    assert request.call_args.args == ("GET", "http+docker://localhost/v1.41/services")
    assert request.call_args.kwargs["params"] == {"filters": '{"label": ["a=b"]}'}


def test_a_refusal_of_the_engine_says_what_the_engine_said() -> None:
    engine, _ = answering(409, {"message": "name conflict"})
    with pytest.raises(docker.errors.APIError) as caught:
        swarm.call(engine, "POST", "/services/create", {})
    assert isinstance(caught.value, APIError)
    assert caught.value.status_code == 409
    assert caught.value.explanation == "name conflict"


def test_a_task_is_read() -> None:
    one = swarm.Task.read(task("failed", "myapp:1", "shutdown", "exit 1"))
    assert (one.state, one.desired, one.error, one.failed) == ("failed", "shutdown", "exit 1", True)
    assert not swarm.Task.read(task("running")).failed


def test_log_lines_come_in_the_order_of_writing() -> None:
    fake = FakeSwarm(said=b"2026-11-22T14:00:02Z b b\n2026-11-22T14:00:01Z a\n")
    assert swarm.logs(fake.engine, "id") == "a\nb b"


def test_a_secret_is_handed_over_once_and_not_in_argv(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSwarm()
    monkeypatch.setattr(swarm, "call", fake.call)
    assert swarm.hand_over(fake.engine, "env-1", b"A=1", {"of": "x"})
    assert not swarm.hand_over(fake.engine, "env-1", b"A=1", {"of": "x"})
    assert fake.secrets["env-1"]["Spec"]["Data"] == base64.b64encode(b"A=1").decode()


def test_removing_a_stack_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSwarm()
    monkeypatch.setattr(swarm, "call", fake.call)
    fake.add(spec("a_web"))
    fake.add(spec("b_web"))
    swarm.remove(fake.engine, "a")
    assert list(fake.services) == ["b_web"]
    swarm.remove_service(fake.engine, "gone")


class Recorder(Shell):
    def __init__(self, code: int) -> None:
        self.code = code
        self.commands: list[Command] = []

    def run(self, command: Command, **_: object) -> Result:
        self.commands.append(command)
        return Result(self.code, "", "Since …\nno such network\n")


def test_a_stack_is_deployed_from_standard_input_without_asking_a_registry() -> None:
    shell = Recorder(0)
    engine = FakeSwarm().engine
    swarm.deploy(shell, engine, "myapp-test", "services: {}", {"IMAGE": "myapp:1"})
    command = shell.commands[0]
    assert command.argv[:3] == ("docker", "stack", "deploy")
    assert "--resolve-image=never" in command.argv
    assert command.stdin == b"services: {}"
    assert command.env == {"IMAGE": "myapp:1", "DOCKER_HOST": "unix:///fake"}


def test_a_stack_that_is_refused_says_why() -> None:
    with pytest.raises(DeployError, match="docker stack deploy failed: no such network"):
        swarm.deploy(Recorder(1), FakeSwarm().engine, "myapp-test", "", {})
