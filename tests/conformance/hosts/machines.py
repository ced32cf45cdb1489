"""Be fresh servers for tests: Debian with systemd and sshd, in containers that a site names."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway import environment, hosts
from slipway.command import Command, Result, Shell
from slipway.environment import Environment
from slipway.sandbox import cloud
from tests.conformance.database.servers import docker, until

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
PUBLIC_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
NUMBERS = itertools.count(1)
shell = Shell()


@dataclass(frozen=True)
class Machine:
    """Hold a running server: its container, its address, the line of known_hosts."""

    name: str
    address: str
    line: str

    def run(self, *argv: str, stdin: bytes | None = None) -> str:
        return docker("exec", "-i", self.name, *argv, stdin=stdin)

    def try_(self, *argv: str) -> Result:
        return shell.run(Command.of("docker", "exec", self.name, *argv), check=False)


@dataclass(frozen=True)
class Group:
    """Hold some servers, and the folder of a site that is provisioned to them."""

    machines: tuple[Machine, ...]
    root: Path

    @property
    def identity(self) -> Path:
        return self.root / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.root / "known_hosts"

    def environment(
        self,
        more: str = "",
        site: str = 'url = "http://test.localhost"',
        second: Mapping[str, object] | None = None,
        storage: str = 'provider = "s3"\nbucket = "myapp-test"',
        **changes: Any,
    ) -> Environment:
        """Write env/test.toml for these servers, and read it.

        `changes` are settings of every host, `second` those of the second one alone.
        """
        settings: dict[str, object] = {
            "identity_file": self.identity,
            "known_hosts_file": self.known_hosts,
        }
        settings |= changes
        lines = ['project = "myapp"', "[site]", site]
        for number, machine in enumerate(self.machines, 1):
            given = {"name": f"host{number}", "address": machine.address, **settings}
            given |= (second or {}) if number == 2 else {}
            lines += ["[[hosts]]"]
            lines += [
                f"{key} = {str(value).lower()}" if isinstance(value, int) else f'{key} = "{value}"'
                for key, value in given.items()
            ]
        lines += ["[storage]", storage, more]
        (self.root / "env" / "test.toml").write_text("\n".join(lines) + "\n")
        return environment.load("test", self.root)

    def play_only(self, *roles: str) -> None:
        """Have this group a playbook of its own with these roles only, as it may be changed."""
        folder = self.root / "ansible"
        shutil.rmtree(folder) if not folder.is_symlink() else folder.unlink()
        shutil.copytree(ROOT / "ansible", folder, ignore=shutil.ignore_patterns("__pycache__"))
        left = "|".join(roles)
        self.edit("provision.yml", rf"    - role: (?!({left})\n)\w+\n", "")
        others = rf"\s+(and|\+) (?!({left})_(is|rules))\w+_(is_current|rules)"
        self.edit("roles/host/vars/main.yml", others, "")

    def edit(self, name: str, pattern: str, replacement: str) -> None:
        """Change a file of the group's own playbook; the pattern must be there."""
        path = self.root / "ansible" / name
        text, count = re.subn(pattern, replacement, path.read_text())
        assert count
        path.write_text(text)

    def converge(
        self, environment: Environment, *, check: bool = False, port: int = 0
    ) -> list[str]:
        """Run the playbook; return its changes as lines."""
        found = hosts.converge(
            environment, check=check, registry_port=port, progress=lambda _: None
        )
        return [change.line() for change in found.changes]


@contextmanager
def serving(folder: Path, *images: str, options: tuple[str, ...] = ()) -> Iterator[Group]:
    """Start a server from each image; their keys lie in `folder`."""
    (folder / "env").mkdir()
    for name in ("ansible", "compose", "slipway"):
        (folder / name).symlink_to(ROOT / name)
    group = Group((), folder)
    shell.run(Command.of("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", group.identity))
    with ExitStack() as stack:
        started = [stack.enter_context(_started(image, options)) for image in images]
        group = Group(tuple(_opened(name, group) for name in started), folder)
        group.known_hosts.write_text("".join(machine.line for machine in group.machines))
        yield group


@contextmanager
def _started(image: str, options: tuple[str, ...]) -> Iterator[str]:
    name = f"slipway-test-{os.getpid()}-{next(NUMBERS)}"
    data = ("--volume", f"{name}:/var/lib/docker")
    words = ("--hostname", name, "--label", "slipway.test", *data, *cloud._machine_options())
    docker("run", "--detach", "--name", name, *words, *options, image)
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)
        docker("volume", "rm", name)


def _opened(name: str, group: Group) -> Machine:
    key = Command.of("docker", "exec", name, "cat", PUBLIC_KEY)
    until(lambda: shell.run(key, check=False).code == 0)
    public = group.identity.with_suffix(".pub").read_bytes()
    install = ("install", "-D", "-m", "600", "/dev/stdin", "/root/.ssh/authorized_keys")
    docker("exec", "-i", name, *install, stdin=public)
    authorities = cloud.AUTHORITIES
    if authorities.is_file():
        docker("cp", "--follow-link", str(authorities), f"{name}:{authorities}")
    listening = ("docker", "exec", name, "systemctl", "is-active", "ssh.service")
    until(lambda: shell.run(Command.of(*listening), check=False).code == 0)
    address = docker("inspect", "--format", ADDRESS, name)
    kind, value = shell.run(key).stdout.split()[:2]
    return Machine(name, address, f"{address} {kind} {value}\n")
