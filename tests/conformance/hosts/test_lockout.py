"""What shuts the operator out is taken back: at once, or by the host itself."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway import baseimages, hosts, ssh
from slipway.command import Shell
from slipway.environment import Environment
from slipway.errors import HostError
from tests.conformance.database.host import disconnected
from tests.conformance.database.servers import until
from tests.conformance.hosts.machines import Group, Machine, serving

IMAGE = "slipway-sandbox-host"
SETTINGS = "/etc/ssh/sshd_config.d/00-slipway.conf"
MAIN = "/etc/ssh/sshd_config"
SSHD, FIREWALL = "roles/access/vars/main.yml", "roles/firewall/vars/main.yml"
FORWARDED = 2222
PROOF = "access: Log in over a new connection"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    baseimages.ensure([IMAGE])
    with serving(tmp_path_factory.mktemp("lockout"), IMAGE) as started:
        yield started


@pytest.fixture
def group(server: Group) -> Group:
    """Return the server with a fresh copy of the playbook, as far as the firewall."""
    server.play_only("host", "docker_engine", "access", "firewall")
    return server


def settings(group: Group, *, sshd: bool = True, port: int = 22) -> Environment:
    keys_only, firewall = str(sshd).lower(), str(not sshd).lower()
    lines = f'user = ""\nupdates = false\nssh_keys_only = {keys_only}\nfirewall = {firewall}'
    return group.environment(f"[server]\n{lines}", port=port)


def refuse_everybody(group: Group) -> None:
    group.edit(SSHD, "# Written by Ansible: keys only.", "AllowUsers nobody")


def refused(group: Group, environment: Environment) -> str:
    with pytest.raises(HostError) as failure:
        group.converge(environment)
    assert "\n" not in str(failure.value)
    return str(failure.value)


def logs_in(environment: Environment) -> bool:
    """Log in over a connection of its own."""
    try:
        ssh.knock(Shell(), environment.hosts[0])
    except HostError:
        return False
    return True


def guarded(machine: Machine) -> bool:
    return machine.try_("systemctl", "is-active", "slipway-undo.timer").code == 0


def hardened(machine: Machine) -> bool:
    return "maxauthtries 4" in machine.run("/usr/sbin/sshd", "-T").splitlines()


def filtered(machine: Machine) -> bool:
    return machine.try_("nft", "list", "table", "inet", "slipway").code == 0


def killed_at_the_proof(group: Group, environment: Environment) -> None:
    """Kill Ansible with all of its processes as it begins to log in anew."""
    group.edit(SSHD, r"access_login: >-\n(  .*\n)+", "access_login: sleep 600\n")
    process = Shell().start(hosts._playbook(environment, False, 0))
    try:
        for event in hosts.events(process.stdout or ()):
            if event["_event"] == "v2_playbook_on_task_start" and hosts.task_of(event) == PROOF:
                break
        else:
            pytest.fail("the playbook ended before it logged in anew")
    finally:
        for number in [*descendants(process.pid), process.pid]:
            os.kill(number, signal.SIGKILL)
        process.wait()


def descendants(number: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [one for child in map(int, found) for one in (child, *descendants(child))]


def disconnect(environment: Environment) -> None:
    """Close the connection that the tasks share: what follows must log in."""
    host = environment.hosts[0]
    disconnected(host)
    assert not (ssh.sockets() / host.connection).exists()


def assert_open(machine: Machine, environment: Environment) -> None:
    """Log in anew, on a host that has nothing left to take back."""
    disconnect(environment)
    assert logs_in(environment)
    assert not guarded(machine)


def test_settings_of_sshd_with_which_nobody_gets_in_are_taken_back(group: Group) -> None:
    refuse_everybody(group)
    environment, machine = settings(group), group.machines[0]
    said = refused(group, environment)
    assert said.startswith("host1: no new login worked with the hardened settings of sshd, so the "
                           "former ones are back (")  # fmt: skip
    assert "Permission denied" in said
    assert "set ssh_keys_only = false in [server]" in said
    assert_open(machine, environment)
    assert machine.try_("ls", SETTINGS).code != 0
    assert machine.try_("ls", f"{SETTINGS}.before").code != 0


def test_the_settings_that_were_there_before_come_back_as_they_were(group: Group) -> None:
    machine = group.machines[0]
    machine.run("tee", SETTINGS, stdin=b"MaxAuthTries 5\n")
    refuse_everybody(group)
    refused(group, settings(group))
    assert machine.run("cat", SETTINGS) == "MaxAuthTries 5"
    assert machine.try_("ls", f"{SETTINGS}.before").code != 0
    machine.run("rm", SETTINGS)


@pytest.mark.parametrize(
    ("change", "ignored"),
    [
        ("/^Include/d", "passwordauthentication, "),
        ("1i MaxAuthTries 6", "maxauthtries"),
    ],
    ids=["no Include", "set above it"],
)
def test_settings_that_sshd_does_not_take_are_not_said_to_be_made(
    group: Group, change: str, ignored: str
) -> None:
    machine, environment = group.machines[0], settings(group)
    machine.run("cp", "-a", MAIN, f"{MAIN}.kept")
    machine.run("sed", "--in-place", change, MAIN)
    try:
        said = refused(group, environment)
    finally:
        machine.run("mv", f"{MAIN}.kept", MAIN)
    assert said.startswith(f"host1: sshd does not take {ignored}")
    assert f" from {SETTINGS}, so the former settings are back; put 'Include " in said
    assert said.endswith("first in /etc/ssh/sshd_config, or set ssh_keys_only = false in [server]")
    assert_open(machine, environment)
    assert machine.try_("ls", SETTINGS).code != 0
    assert machine.try_("ls", f"{SETTINGS}.before").code != 0


def test_a_key_with_a_comment_in_another_encoding_stops_nothing(group: Group) -> None:
    key = group.identity.with_suffix(".pub").read_bytes().strip() + b" J\xfcrg\n"
    group.machines[0].run("tee", "/root/.ssh/authorized_keys", stdin=key)
    assert group.converge(settings(group), check=True)


def test_a_firewall_that_shuts_the_operators_port_is_taken_back(group: Group) -> None:
    machine = group.machines[0]
    forward = ("/usr/lib/systemd/systemd-socket-proxyd", "127.0.0.1:22")
    machine.run("systemd-run", "--quiet", "--unit=forward",
                f"--socket-property=ListenStream={FORWARDED}", *forward)  # fmt: skip
    _, kind, value = machine.line.split()
    with group.known_hosts.open("a") as known:
        known.write(f"[{machine.address}]:{FORWARDED} {kind} {value}\n")
    environment = settings(group, sshd=False, port=FORWARDED)
    said = refused(group, environment)
    assert said.startswith("host1: no new login worked with the new firewall, so it is as it was "
                           "before (")  # fmt: skip
    assert "timed out" in said
    assert "set firewall = false in [server]" in said
    assert_open(machine, environment)
    assert not filtered(machine)


def test_a_host_takes_back_by_itself_what_a_killed_run_did_to_sshd(group: Group) -> None:
    machine, environment = group.machines[0], settings(group)
    refuse_everybody(group)
    group.edit(SSHD, "access_guard_seconds: 120", "access_guard_seconds: 45")
    killed_at_the_proof(group, environment)
    disconnect(environment)
    assert not logs_in(environment)
    assert guarded(machine)
    until(lambda: logs_in(environment), 120)
    assert not guarded(machine)
    assert machine.try_("ls", SETTINGS).code != 0


def test_a_host_takes_back_by_itself_the_firewall_of_a_killed_run(group: Group) -> None:
    machine, environment = group.machines[0], settings(group, sshd=False, port=FORWARDED)
    group.edit(SSHD, "access_guard_seconds: 120", "access_guard_seconds: 45")
    killed_at_the_proof(group, environment)
    disconnect(environment)
    assert filtered(machine)
    assert guarded(machine)
    assert not logs_in(environment)
    until(lambda: logs_in(environment), 120)
    assert not filtered(machine)


def test_a_run_after_a_killed_one_does_not_take_its_unproven_change_for_done(group: Group) -> None:
    machine, environment = group.machines[0], settings(group)
    killed_at_the_proof(group, environment)
    assert hardened(machine)
    assert guarded(machine)
    group.play_only("host", "docker_engine", "access", "firewall")
    planned = group.converge(environment, check=True)
    assert planned[0].startswith("~ host1: access: Take back what a run that was cut off left")
    assert group.converge(environment)
    assert hardened(machine)
    assert not guarded(machine)
    assert logs_in(environment)
    assert group.converge(environment) == []
