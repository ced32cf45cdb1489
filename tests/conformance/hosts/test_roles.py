"""Fresh servers become hosts, and every later run finds nothing to do."""

import socket
import ssl
import time

import pytest

from slipway import ssh
from slipway.command import Shell
from slipway.settings.hosts import Host
from tests.conformance.database.servers import until
from tests.conformance.hosts.conftest import Story
from tests.conformance.hosts.machines import Machine

ROLES = set("host upkeep docker_engine access firewall swarm images data_folder".split())  # noqa: SIM905
SERVICES = {"proxy", "database"}
THREE = [0, 1, 2]
NODES = ("docker", "node", "ls", "--format", "{{.ManagerStatus}} {{.Status}}")


def opens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def listen(machine: Machine, port: int) -> None:
    """Have something listen on a port of a server, on all of its addresses."""
    unit = f"--unit=listen-{port}"
    serve = ("python3", "-m", "http.server", str(port))
    machine.run("systemd-run", "--quiet", unit, *serve)
    until(lambda: machine.try_("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}").code == 0)


def reaches(source: Machine, target: Machine, port: int) -> bool:
    probe = f"exec 3<>/dev/tcp/{target.address}/{port}"
    return source.try_("timeout", "2", "bash", "-c", probe).code == 0


def test_a_plan_names_every_role_and_what_is_done_is_what_was_planned(story: Story) -> None:
    for number in (1, 2, 3):
        roles = {line.split(": ")[1] for line in story.planned if f"~ host{number}:" in line}
        assert roles >= ROLES
    assert {line.split(": ")[1] for line in story.made} == ROLES | SERVICES


def test_after_a_run_check_mode_lists_nothing_and_a_second_run_changes_nothing(
    story: Story,
) -> None:
    assert story.planned_after == []
    assert story.made_after == []


def test_three_managers_of_debian_12_and_13_are_one_swarm(story: Story) -> None:
    said = sorted(story.group.machines[2].run(*NODES).splitlines())
    assert said == ["Leader Ready", "Reachable Ready", "Reachable Ready"]


def test_no_argument_list_and_no_log_shows_a_join_token(story: Story) -> None:
    assert len(story.argv) > 50
    for machine in story.group.machines:
        assert "SWMTKN" not in machine.run("journalctl", "--no-pager", "--output=cat")
    assert [argv for argv in story.argv if b"SWMTKN" in argv] == []


def test_only_ssh_the_web_and_other_nodes_get_in(story: Story) -> None:
    first, second, _ = story.group.machines
    assert opens(first.address, 22)
    until(lambda: opens(first.address, 443))
    assert not opens(first.address, 2377)
    assert not opens(first.address, 7946)
    assert reaches(second, first, 2377)
    assert reaches(second, first, 7946)
    listen(first, 9100)
    assert not opens(first.address, 9100)
    assert not reaches(second, first, 9100)


def test_a_port_that_docker_publishes_is_behind_the_firewall_too(story: Story) -> None:
    first = story.group.machines[0]
    serve = ("--entrypoint", "caddy", "caddy:2", "respond", "--listen", ":80", "here")
    first.run("docker", "run", "--detach", "--name", "odd", "--publish", "9200:80", *serve)
    until(lambda: reaches(first, first, 9200))
    assert not opens(first.address, 9200)
    first.run("docker", "rm", "--force", "odd")


def test_packets_of_full_size_pass_between_containers_of_two_hosts(story: Story) -> None:
    first, second, _ = story.group.machines
    serve = ("--entrypoint", "caddy", "caddy:2", "respond", "--listen", ":80", "x" * 100_000)
    run = ("docker", "run", "--detach", "--name", "far", "--network", "myapp-test")
    first.run(*run, *serve)
    fetch = (
        "exec 3<>/dev/tcp/far/80; printf 'GET / HTTP/1.0\\r\\nHost: far\\r\\n\\r\\n' >&3; wc -c <&3"
    )
    ask = ("docker", "run", "--rm", "--network", "myapp-test", "--entrypoint", "bash",
           "postgres:17-trixie", "-c", fetch)  # fmt: skip
    until(lambda: second.try_(*ask).stdout.strip().isdigit())
    assert int(second.run(*ask)) > 100_000
    first.run("docker", "rm", "--force", "far")


def test_docker_and_the_firewall_survive_a_restart_of_each(story: Story) -> None:
    third = story.group.machines[2]
    third.run("systemctl", "restart", "docker.service", "slipway-firewall.service")
    third.run("docker", "run", "--rm", "--entrypoint", "bash", "postgres:17-trixie", "-c",
              f"exec 3<>/dev/tcp/{story.group.machines[0].address}/443")  # fmt: skip
    assert "arriving" in third.run("nft", "list", "table", "inet", "slipway")
    until(lambda: third.try_(*NODES).stdout.count("Ready") == 3)


@pytest.mark.parametrize("number", THREE)
def test_the_user_for_deploys_may_use_docker_and_become_root(story: Story, number: int) -> None:
    host = story.environment.hosts[number]
    deploy = Host(host.name, host.address, 22, "deploy", host.identity_file, host.known_hosts_file)
    assert ssh.run(Shell(), deploy, "docker", "version", "--format", "{{.Server.Version}}").stdout
    assert ssh.run(Shell(), deploy, "sudo", "-n", "id", "-u").stdout.strip() == "0"


@pytest.mark.parametrize("number", THREE)
def test_keys_only_updates_daily_and_bounded_logs(story: Story, number: int) -> None:
    machine = story.group.machines[number]
    sshd = machine.run("/usr/sbin/sshd", "-T").splitlines()
    assert "passwordauthentication no" in sshd
    assert "kbdinteractiveauthentication no" in sshd
    apt = machine.run("apt-config", "dump")
    assert 'APT::Periodic::Unattended-Upgrade "1";' in apt
    assert "-security" in apt
    machine.run("systemctl", "is-active", "apt-daily.timer", "apt-daily-upgrade.timer")
    assert "max-size" in machine.run("cat", "/etc/docker/daemon.json")
    assert "SystemMaxUse=500M" in machine.run("systemd-analyze", "cat-config",
                                              "systemd/journald.conf")  # fmt: skip


def test_services_have_a_limit_of_memory(story: Story) -> None:
    inspect = ("docker", "service", "inspect", "--format",
               "{{.Spec.TaskTemplate.Resources.Limits.MemoryBytes}}")  # fmt: skip
    first = story.group.machines[0]
    assert int(first.run(*inspect, "slipway_proxy")) == 512 * 1024**2
    assert int(first.run(*inspect, "myapp-test-services_db")) == 2 * 1024**3


@pytest.mark.parametrize("number", THREE)
def test_the_proxys_own_authority_signs_the_sites_certificate(story: Story, number: int) -> None:
    machine = story.group.machines[number]
    root = "/var/lib/docker/volumes/slipway_proxy/_data/caddy/pki/authorities/local/root.crt"
    until(lambda: machine.try_("test", "-s", root).code == 0)
    trusted = ssl.create_default_context(cadata=machine.run("cat", root))
    deadline = time.monotonic() + 30
    while True:
        try:
            with (
                socket.create_connection((machine.address, 443), timeout=5) as plain,
                trusted.wrap_socket(plain, server_hostname="test.localhost") as secure,
            ):
                assert secure.version() == "TLSv1.3"
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_what_was_changed_by_hand_is_listed_and_mended(story: Story) -> None:
    first, second, third = story.group.machines
    first.run("nft", "delete", "table", "inet", "slipway")
    second.run("rm", "/etc/apt/apt.conf.d/52slipway", "/etc/sudoers.d/slipway")
    third.run("systemctl", "disable", "--now", "apt-daily-upgrade.timer")
    third.run("sh", "-c", "echo PasswordAuthentication yes > /etc/ssh/sshd_config.d/00-a.conf")
    planned = story.group.converge(story.environment, check=True)
    found = {tuple(line.removeprefix("~ ").split(": ")[:2]) for line in planned}
    wanted = {("host1", "firewall"), ("host2", "upkeep"), ("host2", "access")}
    assert found == wanted | {("host3", "upkeep"), ("host3", "access")}
    third.run("rm", "/etc/ssh/sshd_config.d/00-a.conf")
    assert story.group.converge(story.environment)
    assert story.group.converge(story.environment, check=True) == []


def test_a_manager_becomes_a_worker_and_a_port_opens_when_the_settings_say_so(
    story: Story,
) -> None:
    story.change('[server]\nopen_ports = ["9100"]')
    said = sorted(story.group.machines[0].run(*NODES).splitlines())
    assert said == [" Ready", " Ready", "Leader Ready"]
    assert opens(story.group.machines[0].address, 9100)
