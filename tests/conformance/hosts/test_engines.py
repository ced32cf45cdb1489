"""Docker's own packages are as good as the distribution's: used where they are, or installed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway import baseimages
from slipway.environment import Environment
from slipway.errors import HostError
from tests.conformance.database.servers import docker, until
from tests.conformance.hosts.machines import Group, Machine, serving

IMAGE = "slipway-sandbox-host"
PACKAGES, SOURCES, DAEMON = "/srv/packages", "/etc/apt/sources.list.d/own.list", "/etc/docker"
OWN = ("docker-ce", "docker-ce-cli", "containerd.io")
# Debian's packages under the names of Docker's: no other registry is asked for this.
REPACK = f"""
mkdir -p {PACKAGES} && cd {PACKAGES}
apt-get -qq update
repack() {{
    apt-get -qq -o APT::Sandbox::User=root download "$1"
    dpkg-deb --raw-extract "$1"_*.deb tree
    sed -i -e "s/^Package: .*/Package: $2/" -e "s/containerd (>= 1.4~)/containerd.io/" \\
        -e "/^\\(Conflicts\\|Replaces\\|Breaks\\|Source\\):/d" tree/DEBIAN/control
    printf 'Conflicts: %s\\nReplaces: %s\\n' "$1" "$1" >> tree/DEBIAN/control
    rm "$1"_*.deb
    dpkg-deb --build -Zgzip -z1 tree "$2.deb"
    rm -r tree
}}
repack docker.io docker-ce
repack docker-cli docker-ce-cli
repack containerd containerd.io
for file in *.deb; do
    dpkg-deb --field "$file"
    printf 'Filename: ./%s\\nSize: %s\\n' "$file" "$(stat -c %s "$file")"
    printf 'SHA256: %s\\n\\n' "$(sha256sum "$file" | cut -d ' ' -f 1)"
done > Packages
"""
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq")
BARE = 'user = ""\nupdates = false\nfirewall = false\nssh_keys_only = false'


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Start two servers: Docker's own engine runs on the first, the second has none yet."""
    baseimages.ensure([IMAGE])
    folder = tmp_path_factory.mktemp("engines")
    with serving(folder, IMAGE, IMAGE) as started:
        started.play_only("host", "docker_engine")
        first, second = started.machines
        first.run("sh", "-ec", REPACK)
        docker("cp", f"{first.name}:{PACKAGES}", str(folder))
        docker("cp", str(folder / Path(PACKAGES).name), f"{second.name}:{PACKAGES}")
        settings = json.dumps({"debug": True}).encode()
        first.run("install", "-D", "/dev/stdin", f"{DAEMON}/daemon.json", stdin=settings)
        add_repository(first)
        first.run(*APT, "update")
        first.run(*APT, "install", "--no-install-recommends", *OWN)
        until(lambda: first.try_("docker", "info").code == 0)
        yield started


def add_repository(machine: Machine) -> None:
    line = f"deb [trusted=yes] file:{PACKAGES} ./\n"
    machine.run("tee", SOURCES, stdin=line.encode())


def one(servers: Group, number: int, server: str = "") -> tuple[Group, Environment]:
    group = replace(servers, machines=(servers.machines[number],))
    return group, group.environment(f"[server]\n{BARE}\n{server}")


def installed(machine: Machine) -> set[str]:
    words = ("dpkg-query", "--show", "--showformat", r"${Package} ${db:Status-Status}\n")
    lines = machine.run(*words).splitlines()
    return {line.split()[0] for line in lines if line.endswith(" installed")}


def began(machine: Machine) -> str:
    """Return when the engine was started."""
    show = ("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "--value")
    return machine.run(*show, "docker.service")


def logging(machine: Machine) -> dict[str, object]:
    """Return how the log of a new container is kept."""
    machine.run("sh", "-c", "tar -c -T /dev/null | docker import - empty")
    name = machine.run("docker", "create", "empty", "true")
    shown = machine.run("docker", "inspect", "--format", "{{json .HostConfig.LogConfig}}", name)
    machine.run("docker", "rm", name)
    return dict(json.loads(shown))


ROTATED = {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}


def test_dockers_own_engine_is_used_and_its_logs_are_rotated(servers: Group) -> None:
    group, environment = one(servers, 0)
    machine = group.machines[0]
    assert logging(machine) != ROTATED
    planned = group.converge(environment, check=True)
    assert group.converge(environment) == planned
    assert set(planned) == {
        "~ host1: docker_engine: Rotate the logs of containers",
        "~ host1: docker_engine: Restart the engine",
    }
    assert logging(machine) == ROTATED
    assert json.loads(machine.run("cat", f"{DAEMON}/daemon.json"))["debug"] is True
    assert "docker.io" not in installed(machine)
    assert set(OWN) <= installed(machine)


def test_a_second_run_neither_changes_nor_restarts_it(servers: Group) -> None:
    group, environment = one(servers, 0)
    before = began(group.machines[0])
    assert group.converge(environment) == []
    assert began(group.machines[0]) == before


def test_another_driver_of_logs_is_the_operators_choice(servers: Group) -> None:
    group, environment = one(servers, 0)
    machine = group.machines[0]
    machine.run("tee", f"{DAEMON}/daemon.json", stdin=b'{"log-driver": "local"}')
    machine.run("systemctl", "restart", "docker.service")
    assert group.converge(environment) == []
    assert logging(machine)["Type"] == "local"


def test_without_dockers_repository_the_host_is_refused_in_one_line(servers: Group) -> None:
    group, environment = one(servers, 1, 'engine = "docker-ce"')
    with pytest.raises(HostError) as failure:
        group.converge(environment)
    said = str(failure.value)
    assert "\n" not in said
    assert said.startswith("host1: apt cannot install docker-ce (E: ")
    assert "add Docker's apt repository on the host first" in said
    assert group.machines[0].try_("ls", DAEMON).code != 0


def test_with_dockers_repository_its_engine_is_installed(servers: Group) -> None:
    group, environment = one(servers, 1, 'engine = "docker-ce"')
    machine = group.machines[0]
    add_repository(machine)
    assert "~ host1: docker_engine: Install the engine" in group.converge(environment)
    assert set(OWN) <= installed(machine)
    assert "docker.io" not in installed(machine)
    assert logging(machine) == ROTATED
    assert group.converge(environment) == []
