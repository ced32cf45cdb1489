"""Whatever is wrong with one host is one line, and no host is changed."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway import baseimages
from slipway.command import Command, Shell
from slipway.environment import Environment
from slipway.errors import HostError
from tests.conformance.database.servers import docker
from tests.conformance.hosts.machines import Group, Machine, serving

IMAGE = "slipway-sandbox-host"
# What systemd and Ansible write while nothing is changed.
PASSING = ("/tmp", "/run", "/var/log", "/var/tmp", "/root/.ansible", "/home/plain", "/var/lib/sudo",
           "/var/lib/systemd", "/var/lib/private", "/usr/lib/python3")  # fmt: skip
SLOW = "import time; time.time = lambda now=time.time: now() - 3600\n"
CUSTOM = "/usr/lib/python3/dist-packages/clock.pth"
# Ansible alone takes that long on a busy machine; nothing here waits for something to come.
SECONDS = 240


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    baseimages.ensure([IMAGE])

    with serving(tmp_path_factory.mktemp("hosts"), IMAGE, IMAGE) as started:
        yield started


def written(machine: Machine) -> set[str]:
    lines = docker("diff", machine.name).splitlines()
    return {line[2:] for line in lines if line[0] in "AD" and not line[2:].startswith(PASSING)}


def refused(group: Group, environment: Environment) -> str:
    """Provision, expect one line of refusal, and find both hosts as they were."""
    before = [written(machine) for machine in group.machines]
    begin = time.monotonic()
    with pytest.raises(HostError) as failure:
        group.converge(environment)
    assert time.monotonic() - begin < SECONDS
    assert [written(machine) for machine in group.machines] == before
    assert "\n" not in str(failure.value)
    return str(failure.value)


def with_second(group: Group, **settings: object) -> Environment:
    """Read an environment whose second host is reached in another way."""
    return group.environment(second=settings)


def key(folder: Path) -> Path:
    path = folder / "other"
    Shell().run(Command.of("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path))
    return path


def test_a_closed_port(group: Group) -> None:
    said = refused(group, with_second(group, port=2200))
    assert said.startswith("host2 (root@")
    assert ":2200): refuses connections on its SSH port; is sshd running there?" in said


def test_a_host_that_does_not_answer(group: Group) -> None:
    environment = with_second(group, port=2201)
    mute = "import socket, time; s = socket.create_server(('', 2201)); time.sleep(900)"
    group.machines[1].run("systemd-run", "--quiet", "--unit=mute", "python3", "-c", mute)
    assert "host2" in (said := refused(group, environment))
    assert "does not answer" in said


def test_a_host_that_refuses_the_key(group: Group, tmp_path: Path) -> None:
    said = refused(group, with_second(group, identity_file=key(tmp_path)))
    assert "host2" in said
    assert "refuses the key; check user and identity_file" in said


def test_a_changed_host_key(group: Group, tmp_path: Path) -> None:
    other = key(tmp_path).with_suffix(".pub").read_text().split()[:2]
    known = tmp_path / "known_hosts"
    known.write_text(f"{group.machines[1].address} {' '.join(other)}\n")
    said = refused(group, with_second(group, known_hosts_file=known))
    assert "host2" in said
    assert "shows another host key than before" in said


def test_an_unknown_host_key(group: Group, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("")
    said = refused(group, with_second(group, known_hosts_file=known))
    assert "is not in known_hosts; connect once with ssh and compare the key" in said


def test_a_user_without_sudo(group: Group) -> None:
    second = group.machines[1]
    if second.try_("id", "plain").code != 0:
        second.run("useradd", "--create-home", "plain")
        second.run("install", "-D", "-o", "plain", "-m", "600", "/root/.ssh/authorized_keys",
                   "/home/plain/.ssh/authorized_keys")  # fmt: skip
        second.run("chown", "plain:", "/home/plain/.ssh")
    said = refused(group, with_second(group, user="plain"))
    assert said.startswith("host2: plain may not use sudo without a password; ")


def test_a_clock_that_is_an_hour_slow(group: Group) -> None:
    second = group.machines[1]
    second.run("tee", CUSTOM, stdin=SLOW.encode())
    try:
        said = refused(group, group.environment())
    finally:
        second.run("rm", CUSTOM)
    assert said.startswith("host2: the clock is 3")
    assert " s behind this machine's; set the one that is wrong" in said


def test_a_disk_without_room_for_docker(group: Group) -> None:
    second = group.machines[1]
    second.run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", "/var/lib/docker")
    try:
        said = refused(group, group.environment())
    finally:
        second.run("umount", "/var/lib/docker")
    assert said.startswith("host2: the disk is full: ")
    assert "make room there" in said


def test_a_disk_without_room_for_ansible_itself(group: Group) -> None:
    second = group.machines[1]
    second.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/tmp")
    try:
        said = refused(group, group.environment())
    finally:
        second.run("umount", "/tmp")
    assert said.startswith("host2: its disk is full; make room there: ")


def test_two_hosts_that_refuse_get_a_line_each(group: Group) -> None:
    environment = group.environment(port=2200)
    with pytest.raises(HostError) as failure:
        group.converge(environment)
    lines = str(failure.value).splitlines()
    assert [line.split()[0] for line in sorted(lines)] == ["host1", "host2"]
