"""Send images to hosts over SSH: a registry on this machine, and only the missing layers travel.

The registry listens on the loopback interface here and, through a reverse tunnel, on that of
each host, where the host's own engine pulls from it. A deploy pulls by digest: whoever else can
reach that port cannot change what arrives.
"""

import http.client
import os
import random
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from slipway import baseimages, engine, process, room, ssh
from slipway.command import Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import HostError, SlipwayError
from slipway.parallel import each, meanwhile, together
from slipway.relay import LOOPBACK, Relay
from slipway.settings.hosts import Host

IMAGE = "registry:2"
VOLUME = "slipway-registry"
OWNER = "slipway.registry.owner"
FORGOTTEN = timedelta(days=1)
VOLUME_DAYS = 7
READY_SECONDS = 20
PORTS = (20000, 32000)
ATTEMPTS = 3


class Registry:
    """Hold a running registry: what was pushed into it, and what hosts took out of it."""

    def __init__(self, shell: Shell, here: Engine, port: int, relay: Relay) -> None:
        self._shell = shell
        self._here = here
        self._address = f"{LOOPBACK}:{port}"
        self._relay = relay
        self._digests: dict[str, str] = {}

    @property
    def bytes_sent(self) -> int:
        """Return how many bytes went to hosts, down to the headers."""
        return self._relay.bytes_sent

    def push(self, image: str) -> str:
        """Take an image of this machine, such as `caddy:2`, and return its digest.

        Raises HostError where the engine refuses.
        """
        name, tag = split(image)
        repository = f"{self._address}/{name}"
        api = self._here.client.api
        with engine.refusals(self._here):
            api.tag(image, repository, tag)
            try:
                self._digests[image] = _pushed(self._here, repository, tag)
            finally:
                api.remove_image(f"{repository}:{tag}", noprune=True)
        return self._digests[image]

    @contextmanager
    def tunnels(self, hosts: Sequence[Host]) -> Iterator[int]:
        """Let the registry answer on the same loopback port of all hosts, and yield that port.

        Raises HostError.
        """
        with ExitStack() as stack:
            for attempt in range(1, ATTEMPTS + 1):
                port = random.randint(*PORTS)  # noqa: S311 - any free port will do
                try:
                    stack.enter_context(self._tunnels(hosts, port))
                    break
                except HostError:
                    # Most likely that port is taken on one of the hosts.
                    if attempt == ATTEMPTS:
                        raise
            yield port

    def pull_on(self, host: Engine, port: int, image: str) -> None:
        """Make a host take a pushed image under its plain name; raises HostError."""
        repository = f"{LOOPBACK}:{port}/{split(image)[0]}"
        digest = self._digests[image]
        take(host, repository, digest, image)

    def _tunnels(self, hosts: Sequence[Host], port: int) -> AbstractContextManager[object]:
        forward = ["-R", f"{LOOPBACK}:{port}:{LOOPBACK}:{self._relay.port}"]
        return together([ssh.tunnel(self._shell, host, forward) for host in hosts])


@contextmanager
def registry(shell: Shell, console: Console | None = None) -> Iterator[Registry]:
    """Run a registry on this machine while the context is open.

    Its layers stay in a volume, so that a next run need not compress them again. Raises
    SlipwayError where it cannot be started.
    """
    baseimages.ensure([IMAGE], shell, console)
    with engine.local() as here:
        _collect(here)
        container = _start(here)
        try:
            with Relay(_port(container)) as relay:
                yield Registry(shell, here, relay.target, relay)
        finally:
            container.remove(force=True)


def ship(shell: Shell, console: Console, hosts: Sequence[tuple[Host, Engine]], image: str) -> int:
    """Bring an image to all hosts at the same time and return the bytes sent to them.

    Raises HostError, before anything is sent where a host lacks the room.
    """
    with (
        engine.local() as own,
        meanwhile(lambda: room.check(shell, own, hosts, image)) as checked,
        registry(shell, console) as here,
    ):
        checked()
        with (
            meanwhile(lambda: here.push(image)) as pushed,
            here.tunnels([host for host, _ in hosts]) as port,
        ):
            pushed()
            each(lambda pair: here.pull_on(pair[1], port, image), hosts)
        return here.bytes_sent


def ship_through(here: Engine, hosts: Sequence[tuple[Host, Engine]], image: str, place: str) -> int:
    """Bring an image to all hosts through a registry that they reach by themselves.

    `place` is the registry's address with a folder. Returns the bytes that the hosts say they
    fetched. Raises HostError.
    """
    name, tag = split(image)
    repository = f"{place}/{name}"
    with engine.refusals(here):
        here.client.api.tag(image, repository, tag)
        try:
            digest = _pushed(here, repository, tag)
        finally:
            here.client.api.remove_image(f"{repository}:{tag}", noprune=True)
    return sum(each(lambda pair: take(pair[1], repository, digest, image), hosts))


def take(host: Engine, repository: str, digest: str, image: str) -> int:
    """Make a host pull by digest, under the image's plain name; return the bytes it fetched.

    Raises HostError, also where something else arrived.
    """
    name, tag = split(image)
    source = f"{repository}@{digest}"
    with engine.refusals(host):
        events = host.client.api.pull(repository, tag=digest, stream=True, decode=True)
        fetched = _follow(events, host)
        if source not in host.client.images.get(source).attrs["RepoDigests"]:
            raise HostError(host.name, f"pulled something else than {image} ({digest})")
        host.client.api.tag(source, name, tag)
        host.client.api.remove_image(source, noprune=True)
    return fetched


def split(image: str) -> tuple[str, str]:
    """Return an image's name and its tag, which is `latest` where none is written."""
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def _start(here: Engine) -> Container:
    with engine.refusals(here):
        return here.client.containers.run(
            IMAGE,
            detach=True,
            name=f"slipway-registry-{os.getpid()}-{secrets.token_hex(3)}",
            labels={OWNER: process.own()},
            ports={"5000/tcp": (LOOPBACK, 0)},
            volumes={VOLUME: {"bind": "/var/lib/registry", "mode": "rw"}},
        )


def _port(container: Container) -> int:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        container.reload()
        bound = container.ports.get("5000/tcp")
        if bound and _answers(int(bound[0]["HostPort"])):
            return int(bound[0]["HostPort"])
        time.sleep(0.05)
    raise SlipwayError(IMAGE, f"gave no answer within {READY_SECONDS} s", "try again")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _collect(here: Engine) -> None:
    """Remove the registries of runs that were killed, and layers that have become too many."""
    for container in here.client.containers.list(filters={"label": OWNER}):
        # Of a process elsewhere, or in another container, nobody here knows whether it runs.
        old = _age(container.attrs["Created"]) > FORGOTTEN
        if old or process.has_ended(container.labels[OWNER]):
            container.remove(force=True)
    try:
        volume = here.client.volumes.get(VOLUME)
        if _age(volume.attrs["CreatedAt"]) > timedelta(days=VOLUME_DAYS):
            volume.remove()
    except (NotFound, APIError):
        # It is not there, or another run uses it right now.
        return


def _age(created: str) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(created)


def _pushed(here: Engine, repository: str, tag: str) -> str:
    digest = ""
    for event in here.client.api.push(repository, tag, stream=True, decode=True):
        if "error" in event:
            raise HostError(here.name, f"cannot push {repository}: {event['error']}")
        digest = event.get("aux", {}).get("Digest", digest)
    if not digest:
        raise HostError(here.name, f"did not say which digest {repository}:{tag} has")
    return digest


def _follow(events: Iterator[dict[str, Any]], host: Engine) -> int:
    """Read a pull to its end and return how many bytes of layers were fetched."""
    fetched: dict[str, int] = {}
    for event in events:
        if "error" in event:
            raise HostError(host.name, f"cannot pull: {event['error']}", "try again")
        if event.get("status") == "Downloading":
            fetched[event["id"]] = int(event.get("progressDetail", {}).get("total") or 0)
    return sum(fetched.values())
