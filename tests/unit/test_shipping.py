from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from docker.errors import APIError

from slipway import process, shipping, ssh
from slipway.command import Shell
from slipway.errors import HostError
from slipway.relay import Relay
from slipway.settings.hosts import Host
from slipway.shipping import Registry
from tests.unit.fakeswarm import FakeSwarm

DIGEST = "sha256:" + "a" * 64
HOSTS = [Host("host1", "192.0.2.10"), Host("host2", "192.0.2.11")]


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("caddy:2", ("caddy", "2")),
        ("caddy", ("caddy", "latest")),
        ("example.com:5000/team/app:1", ("example.com:5000/team/app", "1")),
        ("example.com:5000/team/app", ("example.com:5000/team/app", "latest")),
    ],
)
def test_an_image_has_a_name_and_a_tag(image: str, parts: tuple[str, str]) -> None:
    assert shipping.split(image) == parts


def registry() -> tuple[Registry, Any]:
    engine = FakeSwarm().engine
    api: Any = engine.client.api
    api.push.return_value = [{"status": "Pushed"}, {"aux": {"Digest": DIGEST}}]
    return Registry(Shell(), engine, 5001, Relay(5001)), api


def test_an_image_is_pushed_under_a_name_that_is_gone_afterwards() -> None:
    one, api = registry()
    assert one.push("myapp:r1") == DIGEST
    assert api.tag.call_args.args == ("myapp:r1", "127.0.0.1:5001/myapp", "r1")
    assert api.remove_image.call_args.args == ("127.0.0.1:5001/myapp:r1",)


@pytest.mark.parametrize("events", [[{"error": "no space left"}], [{"status": "?"}]])
def test_a_push_that_fails_says_so_and_leaves_no_name(events: list[dict[str, str]]) -> None:
    one, api = registry()
    api.push.return_value = events
    with pytest.raises(HostError, match=r"no space left|did not say which"):
        one.push("myapp:r1")
    api.remove_image.assert_called_once()


def test_what_the_engine_refuses_is_one_line() -> None:
    one, api = registry()
    api.tag.side_effect = APIError("x", explanation="No such image: myapp:r1")
    with pytest.raises(HostError, match="the engine refuses: No such image"):
        one.push("myapp:r1")


def pulling(digest: str, *events: dict[str, str]) -> Any:
    host = FakeSwarm().engine
    client: Any = host.client
    client.api.pull.return_value = iter(events)
    client.images.get.return_value.attrs = {"RepoDigests": [f"127.0.0.1:7000/myapp@{digest}"]}
    return host


def test_a_host_pulls_by_digest_and_keeps_the_plain_name() -> None:
    one, _ = registry()
    one.push("myapp:r1")
    host = pulling(DIGEST, {"status": "Already exists"})
    one.pull_on(host, 7000, "myapp:r1")
    source = f"127.0.0.1:7000/myapp@{DIGEST}"
    assert host.client.api.pull.call_args.args == ("127.0.0.1:7000/myapp",)
    assert host.client.api.pull.call_args.kwargs["tag"] == DIGEST
    assert host.client.api.tag.call_args.args == (source, "myapp", "r1")
    assert host.client.api.remove_image.call_args.args == (source,)


def test_another_image_than_was_pushed_is_not_taken() -> None:
    one, _ = registry()
    one.push("myapp:r1")
    host = pulling("sha256:" + "b" * 64)
    with pytest.raises(HostError, match="pulled something else"):
        one.pull_on(host, 7000, "myapp:r1")
    host.client.api.tag.assert_not_called()


def test_a_pull_that_fails_says_which_host_and_why() -> None:
    one, _ = registry()
    one.push("myapp:r1")
    host = pulling(DIGEST, {"error": "no space left on device"})
    with pytest.raises(HostError, match="host1: cannot pull: no space left on device"):
        one.pull_on(host, 7000, "myapp:r1")


class Tunnels:
    """Stand in for ssh.tunnel; the first `taken` ports are taken on host2."""

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.open: set[tuple[str, str]] = set()

    @contextmanager
    def __call__(self, _: Shell, host: Host, forwards: list[str]) -> Iterator[None]:
        if host.name == "host2" and self.taken:
            self.taken -= 1
            raise HostError("host2", "forbids port forwarding")
        self.open.add((host.name, forwards[1].split(":")[1]))
        try:
            yield
        finally:
            self.open.discard((host.name, forwards[1].split(":")[1]))


def test_all_hosts_get_the_same_port_even_if_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    tunnels = Tunnels(taken=1)
    monkeypatch.setattr(ssh, "tunnel", tunnels)
    one, _ = registry()
    with one.tunnels(HOSTS) as port:
        assert tunnels.open == {("host1", str(port)), ("host2", str(port))}
    assert tunnels.open == set()


def test_a_host_that_forbids_tunnels_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tunnels = Tunnels(taken=shipping.ATTEMPTS)
    monkeypatch.setattr(ssh, "tunnel", tunnels)
    one, _ = registry()
    with pytest.raises(HostError, match="forbids"), one.tunnels(HOSTS):
        pytest.fail("must not be entered")
    assert tunnels.open == set()


def test_registries_of_dead_runs_are_removed_and_others_left() -> None:
    engine = FakeSwarm().engine
    client: Any = engine.client
    now, machine = datetime.now(UTC).isoformat(), process.own().rpartition("/")[0]
    # One that ended; this one; one in another container; and one that nobody knows of for a day.
    elsewhere = "another-boot/1/2/3"
    runs = [(f"{machine}/0", now), (process.own(), now), (elsewhere, now)]
    runs.append((elsewhere, "2020-01-01T00:00:00Z"))
    containers = [Mock(labels={shipping.OWNER: run}, attrs={"Created": at}) for run, at in runs]
    client.containers.list.return_value = containers
    client.volumes.get.return_value.attrs = {"CreatedAt": "2020-01-01T00:00:00Z"}
    shipping._collect(engine)
    assert [one.remove.called for one in containers] == [True, False, False, True]
    client.volumes.get.return_value.remove.assert_called_once()


def test_a_young_volume_is_kept() -> None:
    engine = FakeSwarm().engine
    client: Any = engine.client
    client.containers.list.return_value = []
    client.volumes.get.return_value.attrs = {"CreatedAt": "2999-01-01T00:00:00+01:00"}
    shipping._collect(engine)
    client.volumes.get.return_value.remove.assert_not_called()
