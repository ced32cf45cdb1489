"""Prepare where deploys are measured: a copy of this repository, and a host of the sandbox."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.peers import ROOT, STATE
from slipway import environment, ssh
from slipway.command import Command, Shell
from slipway.console import Console
from slipway.environment import Environment
from slipway.sandbox import cloud

NAME = "bench"
HOST = "slipway-host1"
CHANGED = "app/uploader/views.py"
RECEIVED = "/sys/class/net/eth0/statistics/rx_bytes"
FORGET = """
for label in service=bench-kamal com.docker.compose.project=bench-compose
do docker ps --all --quiet --filter "label=$label" | xargs -r docker rm --force; done
while docker ps --quiet --filter label=com.docker.stack.namespace=bench-bench | grep -q .
do sleep 1; done
docker container prune --force
docker images --format '{{.Repository}}:{{.Tag}}' | grep bench | xargs -r docker rmi --force
docker image prune --force
"""
TOML = """project = "bench"
site.url = "http://bench.localhost:8080"

[[hosts]]
name = "host1"
address = "{address}"
identity_file = "{sandbox}/ssh/id_ed25519"
known_hosts_file = "{sandbox}/ssh/known_hosts"

[storage]
provider = "s3"
bucket = "bench-deploy"
endpoint = "http://{s3}:{s3_port}"
credentials_file = "{sandbox}/s3-credentials"
"""


@dataclass
class Place:
    """Hold the copy, its environment, and how often its code was changed."""

    root: Path
    environment: Environment
    shell: Shell
    changes: int = 0

    def invoke(self, *words: str) -> str:
        """Run a task in the copy and return what it printed."""
        program = Path(sys.executable).with_name("invoke")
        command = Command.of(program, *words, "--env", NAME, "--yes", "--json", cwd=self.root)
        return self.shell.run(command).stdout

    def change_a_line(self) -> None:
        """Write one line of code anew, so that no tool has seen it."""
        self.changes += 1
        text = (ROOT / CHANGED).read_text(encoding="utf-8")
        stamp = f"CHANGE = {self.changes}  # {id(self)}\n"
        (self.root / CHANGED).write_text(f"{text}{stamp}", encoding="utf-8")

    def forget(self) -> None:
        """Take every release, container and image of a site off the host."""
        stack = self.environment.stack
        self.on_host("docker", "stack", "rm", stack, check=False)
        self.on_host("sh", "-c", FORGET)

    def received(self) -> int:
        """Return how many bytes have come to the host over the network so far."""
        found = self.shell.run(Command.of("docker", "exec", HOST, "cat", RECEIVED))
        return int(found.stdout)

    def on_host(self, *argv: str, check: bool = True) -> str:
        """Run a program on the host."""
        return ssh.run(self.shell, self.environment.manager, *argv, check=check).stdout


def prepare(shell: Shell) -> Place:
    """Start the sandbox, copy the repository, provision, and deploy once."""
    console = Console(as_json=True, assume_yes=True)
    cloud.up(ROOT, console)
    root = copy(shell)
    place = Place(root, environment.load(NAME, root), shell)
    place.invoke("provision")
    place = Place(root, environment.load(NAME, root), shell)
    place.invoke("deploy")
    return place


def copy(shell: Shell) -> Path:
    """Copy what git knows of this repository, and write the environment `bench`."""
    root = STATE / "site"
    kept = root / "env" / f"{NAME}.env"
    secrets = kept.read_bytes() if kept.is_file() else b""
    shutil.rmtree(root, ignore_errors=True)
    listed = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in shell.run(Command.of("git", "-C", ROOT, *listed)).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    places = {"address": cloud.HOST_ADDRESS, "s3": cloud.S3_ADDRESS, "s3_port": cloud.S3_PORT}
    text = TOML.format(sandbox=ROOT / ".sandbox", **places)
    (root / "env" / f"{NAME}.toml").write_text(text, encoding="utf-8")
    if secrets:
        kept.touch(mode=0o600)
        kept.write_bytes(secrets)
    return root
