import pytest

from slipway import hostfacts
from slipway.checks import access, hosts
from slipway.hostfacts import HostFacts
from tests.unit.factory import environment

SAID = """time\t1000.5
system\tdebian 13
user\t0
sudo\t
python\t/usr/bin/python3
synchronized\tyes
engine\t26.1.5+dfsg1|active|true|node1|/var/lib/docker
disk\t/dev/vda1 1000000 400000 500000 45% /
inodes\t/dev/vda1 1000 20 980 2% /
maintenance\tmyapp-test myapp-live\x20
"""
TEST = environment()
HOST = TEST.hosts[0]


def test_what_a_host_says_is_read() -> None:
    assert hostfacts.parse(SAID, 1000.0, 1001.0) == HostFacts(
        offset=0.0, system="debian 13", administrator=True, python=True, synchronized=True,
        engine="26.1.5+dfsg1", swarm="active", leads=True, node="node1", size=1_024_000_000,
        free=512_000_000, inodes_free=0.98, maintenance=("myapp-test", "myapp-live"),
    )  # fmt: skip


def test_a_bare_host_is_read_too() -> None:
    found = hostfacts.parse("time\t5\nsystem\t\nengine\t\ndisk\t\n", 5.0, 5.0)
    assert (found.engine, found.free, found.administrator) == ("", 0, False)


@pytest.mark.parametrize(
    ("there", "state", "words"),
    [
        (1000.5, "ok", "as this machine's"),
        (1006.0, "warn", "5 s ahead of this machine's"),
        (-2600.0, "fail", "3,600 s behind this machine's"),
        (4601.0, "fail", "3,600 s ahead of"),
    ],
)
def test_a_clock_is_wrong_only_beyond_the_time_that_asking_took(
    there: float, state: str, words: str
) -> None:
    found = hostfacts.parse(f"time\t{there}", 1000.0, 1001.0)
    judged = access.clock("host1", found.offset)
    assert judged.state == state
    assert words in judged.text
    assert ("timedatectl" in judged.hint) == (state != "ok")


@pytest.mark.parametrize(
    ("free", "state"), [(50_000_000_000, "ok"), (1_500_000_000, "warn"), (100_000_000, "fail")]
)
def test_a_disk_that_fills_up_is_seen(free: int, state: str) -> None:
    found = HostFacts(engine="26.1", size=100_000_000_000, free=free)
    judged = hosts.summary(HOST, found)
    assert judged.state == state
    assert ("invoke prune" in judged.hint) == (state != "ok")


def test_a_host_without_engine_is_broken_for_status_but_new_for_doctor() -> None:
    found = HostFacts(system="debian 13", administrator=True, python=True, free=9_000_000_000)
    assert hosts.summary(HOST, found).state == "fail"
    judged = {one.name: one for one in access.judge(TEST, HOST, found)}
    assert judged["engine"].state == "warn"
    assert "invoke provision -e test" in judged["engine"].hint


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (HostFacts(system="debian 13", python=True), "is not root, nor has sudo"),
        (HostFacts(system="debian 13", administrator=True), "has no python3"),
        (HostFacts(system="ubuntu 24.04", administrator=True, python=True), "is ubuntu 24.04"),
    ],
)
def test_a_host_that_provision_cannot_use_is_named(found: HostFacts, words: str) -> None:
    judged = {one.name: one for one in access.judge(TEST, HOST, found)}
    assert judged["system"].state == "fail"
    assert words in judged["system"].text
    assert judged["system"].hint


def test_a_member_that_should_lead_but_does_not_is_broken() -> None:
    found = HostFacts(engine="26.1", swarm="active", system="debian 13")
    judged = {one.name: one for one in access.judge(TEST, HOST, found)}
    assert (judged["engine"].state, judged["engine"].text) == ("fail", "26.1, leads no Swarm")


def test_a_maintenance_that_was_forgotten_is_shown() -> None:
    found = HostFacts(maintenance=("myapp-test", "myapp-test.pass-00"))
    assert [one.state for one in hosts.maintenance(HOST, found, "myapp-test")] == ["warn"]
    assert hosts.maintenance(HOST, found, "myapp-live") == []
