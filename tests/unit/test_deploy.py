import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from docker.errors import APIError, DockerException, ImageNotFound
from requests import ConnectionError as NoConnection

from slipway import build, deploy, engine, oneoff, probe, prune, rollout, shipping
from slipway.command import Result, Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.environment import Environment
from slipway.errors import DeployError, HostError
from slipway.release import Revision, secret_name
from tests.unit.fakeswarm import FakeSwarm, spec
from tests.unit.test_preflight import repository

WEB = "myapp-test_web"


class World:
    """Note the steps with an impact in their order; `fails` names one that does not work."""

    def __init__(self, fake: FakeSwarm) -> None:
        self.fake = fake
        self.steps: list[str] = []
        self.fails = ""
        self.image_id = "sha256:one"
        # What the task that serves says: exit code and output.
        self.answer = (0, b'release: {"pending": []}')

    @property
    def serving(self) -> Any:
        return Mock(exec_run=Mock(return_value=self.answer))

    def does(self, step: str, result: Any = None) -> Any:
        def act(*_: Any) -> Any:
            self.steps.append(step)
            if step == self.fails:
                raise DeployError(step, "does not work")
            return result

        return act

    def roll_out(self, *arguments: Any) -> int:
        variables = arguments[4]
        self.does("roll out")()
        web = spec(WEB, variables["IMAGE"])
        names = {"slipway.release": "RELEASE", "slipway.fingerprint": "FINGERPRINT"}
        web["Labels"] |= {label: variables[name] for label, name in names.items()}
        self.fake.add(web)
        return 2


@pytest.fixture
def world(fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(fake)
    one: Any = fake.engine
    one.client.version.return_value = {"Version": "26.1.5+dfsg1"}
    one.client.info.return_value = {
        "Architecture": "x86_64",
        "SystemTime": "2026-11-22T14:01:00Z",
        "Swarm": {"LocalNodeState": "active", "ControlAvailable": True, "Nodes": 1},
    }
    networks = [{"Name": "slipway-proxy"}, {"Name": "myapp-test"}]
    one.client.api.networks.return_value = networks
    one.client.containers.list.side_effect = lambda **_: [world.serving]
    one.client.images.get.return_value.attrs = {"Size": 1_000_000}
    monkeypatch.setattr(engine, "local", lambda: Held(one))
    monkeypatch.setattr(engine, "on_host", lambda *_: Held(one))
    monkeypatch.setattr(build, "revision", lambda *_: Revision("ab12cd3"))
    monkeypatch.setattr(build, "build", lambda *_: world.image_id)
    monkeypatch.setattr(shipping, "ship", world.does("ship", 1234))
    said = 'release: {"pending": [{"name": "a.1", "unsafe": ["DROP"]}]}\n  Applying a.1... OK'
    monkeypatch.setattr(oneoff.OneOff, "run", world.does("migrate", said))
    monkeypatch.setattr(oneoff.OneOff, "try_out", world.does("try"))
    monkeypatch.setattr(rollout, "roll_out", world.roll_out)
    monkeypatch.setattr(probe, "check", world.does("probe"))
    monkeypatch.setattr(prune, "images", world.does("prune", 0))
    return world


class Held:
    def __init__(self, one: Engine) -> None:
        self.one = one

    def __enter__(self) -> Engine:
        return self.one

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def subject(tmp_path: Path) -> Environment:
    return repository(tmp_path)


def run(subject: Environment, **options: bool) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    console = Console(as_json=True)
    with patch.object(console, "result", lambda fields: found.append(fields)):
        deploy.deploy(subject, console, NoProgram(), **options)
    return found[0]


class NoProgram(Shell):
    def run(self, *_: Any, **__: Any) -> Result:
        return Result(0, "28.2.2", "")


def leases(world: World) -> list[str]:
    return [name for name in world.fake.configs if name.endswith("-lease")]


def test_the_steps_come_in_their_order(world: World, subject: Environment) -> None:
    fields = run(subject)
    assert world.steps == ["ship", "migrate", "try", "roll out", "probe", "prune", "prune"]
    assert fields["bytes_shipped"] == 1234
    assert fields["migrations"] == ["a.1"]
    assert fields["hosts"] == ["host1"]
    assert fields["changed"] is True
    assert fields["image"] == f"myapp:{fields['release']}"
    assert fields["release"].endswith("-ab12cd3")
    assert len(world.fake.secrets) == 1


@pytest.mark.usefixtures("world")
def test_json_is_one_object_on_standard_output(
    subject: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.deploy(subject, Console(as_json=True), NoProgram())
    fields = json.loads(capsys.readouterr().out)
    assert fields["changed"] is True


def test_a_second_run_changes_nothing(world: World, subject: Environment) -> None:
    first = run(subject)
    world.steps.clear()
    world.fake.changes.clear()
    one: Any = world.fake.engine
    serving = world.serving
    one.client.containers.list.side_effect = lambda **_: [serving]
    time.sleep(1.01 - time.time() % 1)
    second = run(subject)
    assert world.steps == world.fake.changes == []
    # It was asked for its migrations, and not without end.
    (words,), _ = serving.exec_run.call_args
    assert words == ["timeout", "120", "python", "manage.py", "release", "--plan"]
    assert second["release"] == first["release"]
    assert second["image"] == first["image"]
    assert (second["changed"], second["bytes_shipped"], second["migrations"]) == (False, 0, [])


def test_what_a_killed_run_rolled_out_is_rolled_out_again(
    world: World, subject: Environment
) -> None:
    run(subject)
    world.steps.clear()
    # It was never asked for through a proxy, and is in no record.
    world.fake.configs.clear()
    assert run(subject)["changed"]
    assert world.steps[:4] == ["ship", "migrate", "try", "roll out"]


@pytest.mark.parametrize("what", ["image", "env file", "stack file"])
def test_whatever_differs_is_rolled_out(world: World, subject: Environment, what: str) -> None:
    run(subject)
    world.steps.clear()
    stack = subject.root / "compose" / "stack.yml"
    if what == "image":
        world.image_id = "sha256:two"
    elif what == "env file":
        subject.env_file.write_text("A=2\n")
    else:
        stack.write_text(stack.read_text() + "# changed\n")
    assert run(subject)["changed"] is True
    assert "roll out" in world.steps


@pytest.mark.parametrize(
    "answer",
    [
        (0, b'release: {"pending": [{"name": "a.1", "unsafe": []}]}'),
        (1, b"cannot connect"),
        (0, b"odd"),
    ],
    ids=["another database serves by now", "nobody knows", "nothing is said"],
)
def test_a_database_that_lacks_a_migration_gets_it(
    world: World, subject: Environment, answer: tuple[int, bytes]
) -> None:
    run(subject)
    world.steps.clear()
    world.answer = answer
    assert run(subject)["migrations"] == ["a.1"]
    assert world.steps[:3] == ["ship", "migrate", "try"]


def test_a_host_that_lacks_the_image_gets_it(world: World, subject: Environment) -> None:
    run(subject)
    images: Any = world.fake.engine.client.images
    images.get.side_effect = [images.get.return_value, ImageNotFound("no such image")]
    assert run(subject)["changed"] is True


@pytest.mark.parametrize("fails", ["ship", "migrate", "try", "roll out", "probe"])
def test_a_failing_step_leaves_the_old_release(
    world: World, subject: Environment, fails: str
) -> None:
    run(subject)
    before = world.fake.services[WEB]["Spec"]
    world.image_id, world.fails = "sha256:two", fails
    world.steps.clear()
    with pytest.raises(DeployError, match=f"{fails}: does not work"):
        run(subject)
    assert world.steps[-1] == fails
    assert world.fake.services[WEB]["Spec"] == before
    assert leases(world) == []


def test_the_stack_file_asks_for_no_variable_that_deploy_does_not_set(
    world: World, subject: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, str] = {}

    def roll_out(*arguments: Any) -> int:
        given.update(arguments[4])
        return world.roll_out(*arguments)

    monkeypatch.setattr(rollout, "roll_out", roll_out)
    run(subject)
    text = (subject.root / "compose" / "stack.yml").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == set(given)
    assert all(given.values())


def test_a_secret_holds_what_its_name_says_even_if_the_env_file_changes_meanwhile(
    world: World, subject: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ship(*_: Any) -> int:
        subject.env_file.write_text("A=changed\n")
        return 0

    monkeypatch.setattr(shipping, "ship", ship)
    run(subject)
    (secret,) = world.fake.secrets.values()
    content = base64.b64decode(secret["Spec"]["Data"])
    assert content == b"A=1\n"
    assert secret["Spec"]["Name"] == secret_name(subject.stack, content)


@pytest.mark.parametrize(
    ("during", "steps"),
    [
        ("ship", ["ship"]),
        ("run", ["ship", "run"]),
        ("try_out", ["ship", "migrate", "try_out"]),
    ],
)
def test_a_deploy_that_lost_its_lease_stops_before_the_next_impact(
    world: World,
    subject: Environment,
    monkeypatch: pytest.MonkeyPatch,
    during: str,
    steps: list[str],
) -> None:
    def lose(*_: Any) -> Any:
        world.does(during)()
        world.fake.configs.clear()
        return 0 if during == "ship" else 'release: {"pending": []}'

    monkeypatch.setattr(shipping if during == "ship" else oneoff.OneOff, during, lose)
    with pytest.raises(DeployError, match="took over"):
        run(subject)
    assert world.steps == steps
    assert world.fake.services == {}


@pytest.mark.parametrize(
    "error",
    [
        APIError("secret is in use"),
        DockerException("no answer"),
        NoConnection("reset"),
        HostError("host1", "refuses"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.usefixtures("world")
def test_old_releases_that_cannot_be_removed_fail_no_deploy(
    subject: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(prune, "secrets", refuse)
    assert run(subject)["changed"] is True
    assert "! old releases are still there: " in capsys.readouterr().err


def test_a_bad_certificate_is_warned_of(
    world: World,
    subject: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(probe, "check", world.does("probe", "host1: bad certificate"))
    assert run(subject)["changed"] is True
    assert "! host1: bad certificate\n" in capsys.readouterr().err
