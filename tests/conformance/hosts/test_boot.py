"""A server with cloud-init has its firewall after every start."""

from collections.abc import Iterator

import pytest

from slipway import baseimages
from tests.conformance.database.servers import docker, until
from tests.conformance.hosts.machines import Group, Machine, serving

IMAGE = "slipway-sandbox-host"
UNITS = "/etc/systemd/system"
FIREWALL = f"{UNITS}/slipway-firewall.service"
STARTED = {"running", "degraded"}
LATE = "DefaultDependencies=no\n"
ONESHOT = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
# What Debian's packages of the same names say of their order, and nothing else of them.
CLOUD = {
    "networking.service": (
        "[Unit]\nDefaultDependencies=no\nWants=network.target\nAfter=network-pre.target\n"
        "Before=network.target\n",
        "[Install]\nWantedBy=multi-user.target\n",
    ),
    "cloud-init-local.service": (
        "[Unit]\nDefaultDependencies=no\nWants=network-pre.target\nBefore=network-pre.target\n"
        "Before=sysinit.target\n",
        "[Install]\nWantedBy=multi-user.target\n",
    ),
    "cloud-init.service": (
        "[Unit]\nDefaultDependencies=no\nWants=cloud-init-local.service\n"
        "After=cloud-init-local.service networking.service\n"
        "Before=network-online.target sysinit.target\n",
        "[Install]\nWantedBy=multi-user.target\n",
    ),
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Provision a server whose units are ordered as cloud-init orders them."""
    baseimages.ensure([IMAGE])
    with serving(tmp_path_factory.mktemp("boot"), IMAGE) as group:
        write_units(group.machines[0])
        converge(group)
        yield group.machines[0]


def write_units(machine: Machine) -> None:
    for name, (unit, install) in CLOUD.items():
        machine.run("tee", f"{UNITS}/{name}", stdin=(unit + ONESHOT + install).encode())
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", *CLOUD)


def converge(group: Group) -> None:
    group.play_only("host", "docker_engine", "access", "firewall")
    settings = 'user = ""\nupdates = false\nssh_keys_only = false'
    assert group.converge(group.environment(f"[server]\n{settings}"))


def cycles(machine: Machine) -> list[str]:
    """Return what systemd says of cycles in the order of the next start."""
    said = machine.try_("systemd-analyze", "verify", "default.target").stderr
    return [line for line in said.splitlines() if "cycle" in line]


def test_the_firewall_makes_no_cycle_with_cloud_init(machine: Machine) -> None:
    assert cycles(machine) == []
    text = machine.run("cat", FIREWALL)
    assert LATE in text
    machine.run("tee", FIREWALL, stdin=text.replace(LATE, "").encode())
    try:
        assert cycles(machine)
    finally:
        machine.run("tee", FIREWALL, stdin=f"{text}\n".encode())


def test_the_firewall_is_there_after_a_start_of_the_server(machine: Machine) -> None:
    docker("restart", machine.name)
    until(lambda: machine.try_("systemctl", "is-system-running").stdout.strip() in STARTED)
    assert machine.run("systemctl", "is-active", "slipway-firewall.service") == "active"
    assert "arriving" in machine.run("nft", "list", "table", "inet", "slipway")
    assert machine.run("systemctl", "is-active", "docker.service") == "active"
    assert "cycle" not in machine.run("journalctl", "--boot", "--no-pager", "--output=cat")
