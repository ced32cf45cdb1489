"""Start and remove a cloud on this machine: hosts with sshd and an engine, S3, Azure."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slipway import baseimages, ssh
from slipway.command import Shell
from slipway.console import Console
from slipway.errors import ConfigurationError, HostError, SlipwayError
from slipway.parallel import each
from slipway.sandbox import azure, keys, machine
from slipway.sandbox.containers import Containers
from slipway.sandbox.keys import Keys
from slipway.settings.hosts import Host

HOST = "slipway-host1"
HOST_IMAGE = "slipway-sandbox-host"
HOST_ADDRESS = "10.213.0.10"
MOST_HOSTS = 9
S3 = "slipway-s3"
S3_ADDRESS = "10.213.0.20"
S3_PORT = 8333
SITE_PORT = "127.0.0.1:8080:80"
TLS_PORT = "127.0.0.1:8443:443"
S3_IMAGE = "slipway-sandbox-s3"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
STORAGES = ("s3", "azure")
START_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Node:
    """Hold which of the sandbox's hosts this is, counted from 1."""

    number: int

    @property
    def name(self) -> str:
        """Return the host's own name."""
        return f"host{self.number}"

    @property
    def container(self) -> str:
        """Return the name of the container that is the host."""
        return f"slipway-{self.name}"

    @property
    def address(self) -> str:
        """Return the host's address: 10.213.0.10 is the first one's."""
        return HOST_ADDRESS[:-1] + str(self.number - 1)


def up(root: Path, console: Console, hosts: int = 1, storage: str = "s3") -> None:
    """Start the sandbox with so many hosts, or what of it does not run; raises SlipwayError.

    Hosts that are there beyond `hosts` stay. The S3 server always runs; `storage` may be "azure",
    for an Azure account beside it.
    """
    if not 1 <= hosts <= MOST_HOSTS:
        raise ConfigurationError("--hosts", f"cannot be {hosts}", f"choose 1 to {MOST_HOSTS}")
    if storage not in STORAGES:
        raise ConfigurationError("--storage", f"cannot be {storage}", "choose s3 or azure")
    shell = Shell()
    containers = Containers(shell, root)
    containers.refuse_a_foreign_sandbox()
    _remove_what_nobody_can_open(containers, root, console)
    with_azure = storage == "azure" or containers.is_there(azure.AZURE)
    images = [HOST_IMAGE, S3_IMAGE, *([azure.IMAGE] if with_azure else [])]
    baseimages.ensure(images, shell, console)
    found = Keys(root / ".sandbox")
    nodes = _nodes(containers, hosts)
    what = f"{hosts} hosts" if (hosts := len(nodes)) > 1 else "host"
    with console.step(f"{what} and S3 server run") as notes:
        renewed = keys.create(found, shell)
        containers.create_network()
        for node in nodes:
            _start_host(containers, node)
        _start_s3(containers, found, renewed)
        pinned = each(lambda node: _await_key(containers, found, node), nodes)
        found.known_hosts.write_text("".join(pinned), encoding="utf-8")
        each(lambda node: _await_login(shell, found, node), nodes)
        _await(S3, lambda: _succeeds(containers, S3, "ready"))
        notes += [f"ssh root@{node.address}" for node in nodes]
        notes.append(f"http://{S3_ADDRESS}:{S3_PORT}")
    if with_azure:
        with console.step("Azure storage runs") as notes:
            azure.start(containers, found)
            _await(azure.AZURE, lambda: _succeeds(containers, azure.AZURE, *azure.LISTENS))
            notes.append(azure.URL)


def down(root: Path, console: Console) -> None:
    """Remove every trace of the sandbox: containers, volumes, network and keys."""
    containers = Containers(Shell(), root)
    containers.refuse_a_foreign_sandbox()
    state = root / ".sandbox"
    if containers.owner() is None and not state.exists():
        console.say("there is no sandbox")
        return
    console.confirm("Remove the sandbox with all its data?")
    with console.step("sandbox removed"):
        containers.remove_all()
        shutil.rmtree(state, ignore_errors=True)


def _remove_what_nobody_can_open(containers: Containers, root: Path, console: Console) -> None:
    """Remove the sandbox of a checkout that was deleted, and its keys with it."""
    if containers.owner() is not None and not (root / ".sandbox").exists():
        with console.step("sandbox of a checkout that is gone removed"):
            containers.remove_all()


def _nodes(containers: Containers, hosts: int) -> list[Node]:
    there = [n for n in range(1, MOST_HOSTS + 1) if containers.is_there(Node(n).container)]
    return [Node(number) for number in range(1, max([hosts, *there]) + 1)]


def _start_host(containers: Containers, node: Node) -> None:
    volume = f"{node.container}-docker"
    containers.create_volume(volume)
    # The site's ports on this machine lead to the first host; the others have their addresses.
    ports = ("--publish", SITE_PORT, "--publish", TLS_PORT)
    published = ports if node.address == HOST_ADDRESS else ()
    containers.run(
        node.container, node.address, "--hostname", node.name, *published,
        "--volume", f"{volume}:/var/lib/docker", *_machine_options(), HOST_IMAGE,
    )  # fmt: skip


def _machine_options() -> list[str]:
    status, newest = Path("/proc/self/status"), Path("/proc/sys/kernel/cap_last_cap")
    missing = []
    if status.exists() and newest.exists():
        missing = machine.missing_capabilities(status.read_text(), int(newest.read_text()))
    unified = not Path("/sys/fs/cgroup/memory").is_dir()
    return machine.options(missing, unified=unified)


def _start_s3(containers: Containers, found: Keys, renewed: bool) -> None:
    if renewed or containers.is_outdated(S3, S3_IMAGE):
        containers.remove(S3)
    volume = f"{S3}-data"
    containers.create_volume(volume)
    mounts = ("--volume", f"{volume}:/data", "--volume", f"{found.server}:/etc/slipway/s3.json:ro")
    containers.run(S3, S3_ADDRESS, *mounts, S3_IMAGE)


def _await_key(containers: Containers, found: Keys, node: Node) -> str:
    """Hand over the key, and return the host's own key as the host itself tells it."""
    public = found.identity.with_suffix(".pub").read_bytes()
    authorized = ("install", "-D", "-m", "600", "/dev/stdin", "/root/.ssh/authorized_keys")
    containers.docker("exec", "--interactive", node.container, *authorized, stdin=public)
    if AUTHORITIES.is_file():
        target = f"{node.container}:{AUTHORITIES}"
        containers.docker("cp", "--follow-link", AUTHORITIES, target)
    key = ("cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    _await(node.container, lambda: _succeeds(containers, node.container, *key))
    kind, value = containers.docker("exec", node.container, *key).split()[:2]
    return f"{node.address} {kind} {value}\n"


def _await_login(shell: Shell, found: Keys, node: Node) -> None:
    files = found.identity, found.known_hosts
    host = Host(node.name, node.address, identity_file=files[0], known_hosts_file=files[1])
    _await(node.container, lambda: _logs_in(shell, host))


def _logs_in(shell: Shell, host: Host) -> bool:
    try:
        return ssh.run(shell, host, "true", check=False).code == 0
    except HostError:
        return False


def _succeeds(containers: Containers, name: str, *program: str) -> bool:
    try:
        containers.docker("exec", name, *program)
    except SlipwayError:
        return False
    return True


def _await(name: str, ready: Callable[[], bool]) -> None:
    """Ask until the answer is yes; raises SlipwayError after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise SlipwayError(name, "does not come up", f"see 'docker logs {name}'")
        time.sleep(0.1)
