"""A server keeps its clock right: by systemd-timesyncd, or by what it has already."""

from collections.abc import Iterator

import pytest

from slipway import baseimages
from slipway.environment import Environment
from tests.conformance.hosts.machines import Group, Machine, serving

IMAGE = "slipway-sandbox-host"
DETECT = "/usr/local/bin/systemd-detect-virt"
TIMESYNCD, CHRONY = "systemd-timesyncd.service", "chrony.service"
# It is a container all the same: the machine's clock is not the test's to set.
HARMLESS = {
    f"/etc/systemd/system/{TIMESYNCD}.d/test.conf": (
        "[Unit]\nConditionVirtualization=\n"
        "[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n"
    ),
    "/etc/systemd/timesyncd.conf.d/test.conf": "[Time]\nNTP=\nFallbackNTP=\n",
    "/etc/default/chrony": "DAEMON_OPTS=-x\n",
}
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o",
       "Dpkg::Options::=--force-confold")  # fmt: skip
BARE = 'user = ""\nupdates = false\nfirewall = false\nssh_keys_only = false'


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Start two servers that take themselves for none in a container; the second has chrony."""
    baseimages.ensure([IMAGE])
    with serving(tmp_path_factory.mktemp("time"), IMAGE, IMAGE) as started:
        started.play_only("host", "upkeep")
        for machine in started.machines:
            for path, text in HARMLESS.items():
                machine.run("install", "-D", "-m", "644", "/dev/stdin", path, stdin=text.encode())
            script = b"#!/bin/sh\necho none\nexit 1\n"
            machine.run("install", "-m", "755", "/dev/stdin", DETECT, stdin=script)
            machine.run("systemctl", "daemon-reload")
        second = started.machines[1]
        second.run(*APT, "update")
        second.run(*APT, "install", "--no-install-recommends", "chrony")
        yield started


@pytest.fixture(scope="module")
def environment(group: Group) -> Environment:
    return group.environment(f"[server]\n{BARE}")


@pytest.fixture(scope="module")
def changed(group: Group, environment: Environment) -> list[str]:
    assert runs(group.machines[1], CHRONY)
    return group.converge(environment)


def runs(machine: Machine, unit: str) -> bool:
    enabled = machine.try_("systemctl", "is-enabled", unit).stdout.strip() == "enabled"
    return enabled and machine.try_("systemctl", "is-active", unit).code == 0


def has(machine: Machine, package: str) -> bool:
    said = machine.try_("dpkg-query", "--show", "--showformat", "${db:Status-Status}", package)
    return said.stdout == "installed"


def test_a_server_without_a_time_service_gets_one(group: Group, changed: list[str]) -> None:
    assert "~ host1: host: Install packages" in changed
    assert has(group.machines[0], "systemd-timesyncd")
    assert runs(group.machines[0], TIMESYNCD)


def test_a_time_service_that_is_there_is_left_alone(group: Group, changed: list[str]) -> None:
    assert "~ host2: host: Install packages" not in changed
    assert not has(group.machines[1], "systemd-timesyncd")
    assert runs(group.machines[1], CHRONY)


@pytest.mark.usefixtures("changed")
def test_a_second_run_changes_nothing(group: Group, environment: Environment) -> None:
    assert group.converge(environment) == []


@pytest.mark.usefixtures("changed")
def test_a_time_service_that_was_stopped_runs_again(group: Group, environment: Environment) -> None:
    group.machines[0].run("systemctl", "disable", "--now", TIMESYNCD)
    group.machines[1].run("systemctl", "disable", "--now", CHRONY)
    assert sorted(group.converge(environment, check=True)) == [
        f"~ host{number}: upkeep: Run units, now and at boot" for number in (1, 2)
    ]
    assert group.converge(environment)
    assert runs(group.machines[0], TIMESYNCD)
    assert runs(group.machines[1], CHRONY)
