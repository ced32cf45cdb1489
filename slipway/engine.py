"""Talk to a Docker engine, here or on a host: the only door to it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, DockerException
from requests import RequestException

from slipway import ssh
from slipway.command import Shell
from slipway.errors import HostError, SlipwayError
from slipway.settings.hosts import Host

SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Engine:
    """Hold an open connection: the SDK's client, the address for the docker program, whose."""

    client: docker.DockerClient
    address: str
    name: str = "docker"

    @property
    def env(self) -> dict[str, str]:
        """Return the variable that points the docker program to this engine."""
        return {"DOCKER_HOST": self.address}


@contextmanager
def local() -> Iterator[Engine]:
    """Open the engine of this machine; raises SlipwayError where none answers."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException:
        raise SlipwayError(
            "docker", "no engine answers on this machine", "start it, or run scripts/bootstrap.sh"
        ) from None
    try:
        yield Engine(client, os.environ.get("DOCKER_HOST") or SOCKET)
    finally:
        client.close()


@contextmanager
def on_host(shell: Shell, host: Host) -> Iterator[Engine]:
    """Open the engine of a host through SSH; raises HostError."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        socket = Path(folder) / "docker.sock"
        forward = ["-L", f"{socket}:/var/run/docker.sock"]
        with ssh.tunnel(shell, host, forward, ready=socket):
            address = f"unix://{socket}"
            try:
                client = docker.DockerClient(base_url=address, version="auto", timeout=120)
            except DockerException:
                raise silent(host) from None
            try:
                yield Engine(client, address, host.name)
            finally:
                client.close()


def silent(host: Host) -> HostError:
    """Return what is said of a host whose engine does not answer."""
    hint = "run 'invoke provision'"
    if host.user != "root":
        hint += f", and add {host.user} to the group docker there"
    return HostError(host.name, "has no Docker engine that answers", hint)


@contextmanager
def refusals(engine: Engine) -> Iterator[None]:
    """Turn what an engine refuses, or its silence, into one line; raises HostError."""
    try:
        yield
    except APIError as error:
        raise HostError(engine.name, f"the engine refuses: {error.explanation or error}") from None
    except (DockerException, RequestException) as error:
        raise HostError(
            engine.name, f"the engine stopped answering ({error})", "check the host and try again"
        ) from None
