from typing import Any
from unittest.mock import Mock

import pytest

from slipway import hostfacts, room, swarm
from slipway.command import Shell
from slipway.engine import Engine
from slipway.errors import HostError
from slipway.hostfacts import HostFacts
from slipway.settings.hosts import Host

BASE, OLD, NEW = ["a", "b"], ["a", "b", "c", "d"], ["a", "b", "c", "e"]
SIZES = [100, 70_000_000, 20_000_000, 100_000_000]


@pytest.mark.parametrize(
    ("there", "bytes_missing"),
    [([], 190_000_100), ([BASE], 70_000_100), ([["x"], OLD, BASE], 100), ([NEW], 0)],
)
def test_only_layers_that_a_host_lacks_are_counted(
    there: list[list[str]], bytes_missing: int
) -> None:
    assert room.missing(NEW, SIZES, there) == bytes_missing


def test_empty_layers_count_too_much_but_never_too_little() -> None:
    assert room.missing([*NEW, "empty"], SIZES, [OLD]) == 70_000_100


def test_a_refusal_names_the_bytes_that_are_missing() -> None:
    room.refuse("host1", 100_000_000, 1_150_000_000)
    wanted = r"host1: 50,000,000 bytes \(50\.0 MB\) are missing"
    with pytest.raises(HostError, match=wanted) as said:
        room.refuse("host1", 100_000_000, 1_100_000_000)
    assert "'invoke prune'" in str(said.value)


def engine(images: list[list[str]], name: str) -> Engine:
    return Engine(Mock(images=images), "", name)


def call(engine: Engine, _: str, path: str) -> Any:
    images: Any = engine.client.images
    if path == "/images/json":
        return [{"Id": str(number)} for number in range(len(images))]
    if path.endswith("history"):
        return [{"Size": one} for one in [0, *SIZES]]
    wanted = path.split("/")[2]
    return {"RootFS": {"Layers": NEW if wanted == "myapp:1" else images[int(wanted)]}}


def test_each_host_is_judged_by_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm, "call", call)
    free = {"host1": 0, "host2": 2_000_000_000, "host3": 1_100_000_000}
    monkeypatch.setattr(hostfacts, "read", lambda _, host: HostFacts(free=free[host.name]))
    has = [("host1", [NEW]), ("host2", [OLD]), ("host3", [BASE])]
    hosts = [(Host(name, "192.0.2.10"), engine(there, name)) for name, there in has]
    here = engine([], "docker")
    assert room.check(Shell(), here, hosts[:2], "myapp:1") == [0, 100]
    with pytest.raises(HostError, match="host3: 5,000,150 bytes"):
        room.check(Shell(), here, hosts, "myapp:1")
