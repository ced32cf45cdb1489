from pathlib import Path

import pytest

from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.errors import SlipwayError
from slipway.sandbox import cloud, containers
from slipway.sandbox.containers import Containers, device_in_the_way, refusal

HEAD = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
DEFAULT = "eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n"
NEIGHBOUR = "br-1 0000D60A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n"
SAME = "tun0 0000D50A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n"
WIDER = "wg0 0000000A 00000000 0001 0 0 0 000000FF 0 0 0\n"
PORT = (
    "docker: Error response from daemon: driver failed: Error starting userland proxy: "
    "listen tcp4 127.0.0.1:8080: bind: address already in use."
)


class Docker(Shell):
    """Answer with the owner of the network (None: there is no network); fail at some words."""

    def __init__(self, owner: str | None = None, fails: str = "", says: str = "") -> None:
        self.owner, self.fails, self.says = owner, fails, says
        self.lines: list[str] = []

    def run(self, command: Command, **_: object) -> Result:
        line = " ".join(command.argv[1:])
        self.lines.append(line)
        if self.fails and line.startswith(self.fails):
            return Result(1, "", self.says)
        if line.startswith("network ls --filter name"):
            return Result(0, "" if self.owner is None else "id\n", "")
        if line.startswith("network inspect"):
            return Result(0, f"{self.owner}\n", "")
        if " ls " in line and "label=" in line:
            return Result(0, f"{line.split()[0]}-1\n", "")
        return Result(0, "", "")


@pytest.fixture(autouse=True)
def routes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "route"
    path.write_text(HEAD + DEFAULT)
    monkeypatch.setattr(containers, "ROUTES", path)
    return path


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (PORT, "127.0.0.1:8080: is taken by another program; stop what listens there"),
        ("Bind for 127.0.0.1:8080 failed: port is already allocated", "127.0.0.1:8080: is taken"),
        ("Pool overlaps with other one on this address space", "10.213.0.0/24 is taken by another"),
        ("Cannot connect to the Docker daemon at unix://x", "no engine answers on this machine"),
        ("warning\nError response from daemon: odd", "docker: Error response from daemon: odd"),
        ("", "docker: failed without a word"),
    ],
)
def test_what_is_in_the_way_is_said_in_one_line(said: str, line: str) -> None:
    assert line in str(refusal(said))
    assert "\n" not in str(refusal(said))


@pytest.mark.parametrize(
    ("routes", "device"),
    [
        (HEAD + DEFAULT + NEIGHBOUR, ""),
        (HEAD + NEIGHBOUR + SAME, "tun0"),
        (HEAD + WIDER, "wg0"),
        ("", ""),
    ],
)
def test_a_route_into_the_subnet_is_found(routes: str, device: str) -> None:
    assert device_in_the_way(routes) == device


def test_the_network_is_made_once(tmp_path: Path) -> None:
    docker = Docker()
    Containers(docker, tmp_path).create_network()
    label = f"--label slipway.sandbox={tmp_path}"
    assert docker.lines[-1] == f"network create {label} --subnet=10.213.0.0/24 slipway-sandbox"
    docker = Docker(str(tmp_path))
    Containers(docker, tmp_path).create_network()
    assert not [line for line in docker.lines if "create" in line]


def test_a_taken_subnet_is_refused_before_anything_is_made(routes: Path, tmp_path: Path) -> None:
    routes.write_text(HEAD + SAME)
    docker = Docker()
    with pytest.raises(SlipwayError, match=r"10\.213\.0\.0/24 is taken by the network device tun0"):
        Containers(docker, tmp_path).create_network()
    assert not [line for line in docker.lines if "create" in line]


def test_the_sandbox_of_another_checkout_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(SlipwayError, match=r"belongs to .*other; run 'invoke sandbox.down' there"):
        Containers(Docker(str(other)), tmp_path).refuse_a_foreign_sandbox()
    with pytest.raises(SlipwayError, match="belongs to somebody else"):
        Containers(Docker(""), tmp_path).refuse_a_foreign_sandbox()


@pytest.mark.parametrize("owner", [None, "own", "removed"])
def test_ones_own_sandbox_and_that_of_a_removed_checkout_are_taken(
    owner: str | None, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    path = None if owner is None else str(tmp_path / owner)
    Containers(Docker(path), tmp_path / "own").refuse_a_foreign_sandbox()


def test_a_container_that_exists_is_started_again(tmp_path: Path) -> None:
    docker = Docker()
    Containers(docker, tmp_path).run("slipway-x", "10.213.0.9", "image")
    assert docker.lines[-1] == "start slipway-x"


def test_a_container_is_made_at_its_address_where_there_is_none(tmp_path: Path) -> None:
    docker = Docker(fails="container inspect")
    Containers(docker, tmp_path).run("slipway-x", "10.213.0.9", "--publish", "1:2", "image")
    assert docker.lines[-1].startswith("run --detach --name slipway-x --network slipway-sandbox ")
    assert docker.lines[-1].endswith(f"--label slipway.sandbox={tmp_path} --publish 1:2 image")
    assert "--ip 10.213.0.9" in docker.lines[-1]


def test_a_container_that_cannot_start_leaves_no_trace(tmp_path: Path) -> None:
    class Taken(Docker):
        def run(self, command: Command, **_: object) -> Result:
            known = super().run(command)
            return Result(1, "", PORT) if command.argv[1] in {"container", "run"} else known

    docker = Taken()
    with pytest.raises(SlipwayError, match="is taken by another program"):
        Containers(docker, tmp_path).run("slipway-x", "10.213.0.9", "image")
    assert docker.lines[-1] == "rm --force --volumes slipway-x"


def test_removal_finds_everything_by_its_label(tmp_path: Path) -> None:
    docker = Docker()
    assert Containers(docker, tmp_path).remove_all() == 3
    removed = [line for line in docker.lines if " rm " in line]
    assert removed == [
        "container rm --force --volumes container-1",
        "volume rm volume-1",
        "network rm network-1",
    ]


@pytest.mark.parametrize(("made", "outdated"), [("sha256:old", True), ("sha256:new", False)])
def test_a_container_of_an_older_image_is_found(tmp_path: Path, made: str, outdated: bool) -> None:
    class Images(Docker):
        def run(self, command: Command, **_: object) -> Result:
            return Result(0, made if command.argv[1] == "container" else "sha256:new", "")

    assert Containers(Images(), tmp_path).is_outdated("slipway-s3", "image") is outdated


@pytest.mark.parametrize(("keys_there", "removed"), [(True, False), (False, True)])
def test_a_sandbox_whose_keys_are_gone_is_removed(
    tmp_path: Path, keys_there: bool, removed: bool
) -> None:
    if keys_there:
        (tmp_path / ".sandbox").mkdir()
    docker = Docker(str(tmp_path))
    cloud._remove_what_nobody_can_open(Containers(docker, tmp_path), tmp_path, Console())
    assert any(line.startswith("network ls --quiet --filter label=") for line in docker.lines) is (
        removed
    )
