from pathlib import Path
from typing import Any

import pytest

from slipway import preflight, swarm
from slipway.engine import Engine
from slipway.environment import Environment
from slipway.errors import ConfigurationErrors, HostError
from slipway.secrets import Secret
from tests.unit.factory import ROOT, environment
from tests.unit.fakeswarm import FakeSwarm, node

VARIABLES = {
    "SECRET_KEY": "key",
    "DOMAIN": "test.localhost",
    "DATABASE_URL": "postgres://myapp:pw@db:5432/myapp",
    "DEFAULT_STORAGE_DSN": "file:///data/media/?url=%2Fmedia%2F",
}


def repository(root: Path, **changed: str) -> Environment:
    for name in ("app/Dockerfile", "compose/stack.yml"):
        (root / name).parent.mkdir()
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "env").mkdir()
    (root / "env" / "test.env").write_text("A=1\n")
    values = {name: Secret(value) for name, value in {**VARIABLES, **changed}.items()}
    return environment(root=root, variables=values)


def test_a_repository_as_it_should_be_passes(tmp_path: Path) -> None:
    text = preflight.check_files(repository(tmp_path))
    assert text == (ROOT / "compose" / "stack.yml").read_text(encoding="utf-8")


def test_all_problems_are_said_at_once_and_no_value_is_shown(tmp_path: Path) -> None:
    broken = repository(tmp_path, SECRET_KEY="", DATABASE_URL="mysql://u:hidden@db/x")
    (tmp_path / "app" / "Dockerfile").unlink()
    with pytest.raises(ConfigurationErrors) as caught:
        preflight.check_files(broken)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "app/Dockerfile: is missing" in lines[0]
    assert "env/test.env: SECRET_KEY is missing; run 'invoke provision -e test'" in lines[1]
    assert "the scheme 'mysql' is not supported" in lines[2]
    assert "hidden" not in str(caught.value)


def test_an_env_file_that_swarm_would_refuse_is_refused_first(tmp_path: Path) -> None:
    one = repository(tmp_path)
    one.env_file.write_text("A=" + "x" * preflight.SECRET_LIMIT)
    with pytest.raises(ConfigurationErrors, match="is larger than 500 kB"):
        preflight.check_files(one)


def manager(state: str = "active", control: bool = True, nodes: int = 1, *nets: str) -> Engine:
    engine = FakeSwarm().engine
    client: Any = engine.client
    swarm = {"LocalNodeState": state, "ControlAvailable": control, "Nodes": nodes}
    client.info.return_value = {"Swarm": swarm}
    client.api.networks.return_value = [{"Name": name} for name in nets]
    return engine


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    fake = FakeSwarm(nodes={"host1": node("host1")})
    monkeypatch.setattr(swarm, "call", fake.call)
    return fake.nodes


@pytest.mark.usefixtures("nodes")
def test_a_swarm_with_both_networks_passes() -> None:
    preflight.check_swarm(
        environment(), manager("active", True, 1, "slipway-proxy", "myapp-test", "bridge")
    )


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (manager("inactive", False), "leads no Swarm"),
        (manager("active", False), "leads no Swarm"),
        (manager("active", True, 0), "its Swarm has 0 of 1 hosts"),
        (manager("active", True, 1, "myapp-test"), "has no network slipway-proxy"),
        (manager("active", True, 1, "slipway-proxy"), "has no network myapp-test"),
    ],
)
@pytest.mark.usefixtures("nodes")
def test_hosts_that_are_not_provisioned_are_named(engine: Engine, said: str) -> None:
    with pytest.raises(HostError, match=f"host1: {said}; run 'invoke provision -e test'"):
        preflight.check_swarm(environment(), engine)


def test_a_host_that_was_taken_out_but_is_given_tasks_is_named(nodes: dict[str, Any]) -> None:
    there = manager("active", True, 2, "slipway-proxy", "myapp-test")
    nodes["host2"] = node("host2")
    said = "gives tasks to host1, host2, but env/test.toml names only 1; .* drain NAME"
    with pytest.raises(HostError, match=said):
        preflight.check_swarm(environment(), there)
    for state, availability in (("ready", "drain"), ("down", "active")):
        nodes["host2"] = node("host2", state, availability)
        preflight.check_swarm(environment(), there)
