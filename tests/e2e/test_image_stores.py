"""Ship to an engine that keeps images in containerd: a second one on the sandbox's host."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from slipway import environment, shipping, ssh
from slipway.command import Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.settings.hosts import Host
from tests.e2e import machine

START = """
set -e
mkdir -p /var/lib/docker/second
cat >/run/second.json <<end
{"features": {"containerd-snapshotter": true}, "containerd": "/run/second-containerd.sock",
 "data-root": "/var/lib/docker/second/engine", "exec-root": "/run/second",
 "pidfile": "/run/second.pid", "bridge": "none", "iptables": false, "ip6tables": false}
end
systemd-run --quiet --unit second-containerd containerd --root /var/lib/docker/second/containerd \
    --state /run/second-containerd --address /run/second-containerd.sock
until [ -S /run/second-containerd.sock ]; do sleep 0.1; done
systemd-run --quiet --unit second-engine dockerd --config-file /run/second.json \
    --host unix:///run/second.sock
until docker --host unix:///run/second.sock version >/dev/null 2>&1; do sleep 0.1; done
"""
STOP = """
systemctl stop second-engine second-containerd
rm -rf /var/lib/docker/second /run/second*
"""
CODE = "changed.txt"


@contextmanager
def second_engine(host: Host) -> Iterator[Engine]:
    machine.docker("exec", "-i", f"slipway-{host.name}", "sh", stdin=START)
    try:
        with tempfile.TemporaryDirectory() as folder:
            socket = Path(folder) / "socket"
            forward = ["-L", f"{socket}:/run/second.sock"]
            with ssh.tunnel(Shell(), host, forward, ready=socket):
                client = docker.DockerClient(base_url=f"unix://{socket}", version="auto")
                yield Engine(client, f"unix://{socket}", "second")
                client.close()
    finally:
        machine.docker("exec", "-i", f"slipway-{host.name}", "sh", stdin=STOP)


@pytest.fixture
def images(tmp_path: Path) -> Iterator[list[str]]:
    """Build an image and another that differs from it in one small file."""
    names = ["slipway-store:1", "slipway-store:2"]
    (tmp_path / "Dockerfile").write_text(f"FROM debian:trixie-slim\nCOPY {CODE} /\n")
    for name in names:
        (tmp_path / CODE).write_text(f"{name}\n" * 100)
        machine.docker("build", "--quiet", "--tag", name, str(tmp_path))
    yield names
    machine.docker("rmi", *names)


def test_an_engine_with_the_containerd_store_takes_only_what_it_lacks(
    story: dict[str, Any], images: list[str]
) -> None:
    assert story["url"]
    host = environment.load("test", machine.ROOT).hosts[0]
    with second_engine(host) as second:
        info = second.client.info()
        assert ["driver-type", "io.containerd.snapshotter.v1"] in info["DriverStatus"]
        sent = [
            shipping.ship(Shell(), Console(as_json=True), [(host, second)], name) for name in images
        ]
        assert sent[0] > 10_000_000
        assert sent[1] < 20_000
        assert {tag for one in second.client.images.list() for tag in one.tags} == set(images)
        layers = [second.client.images.get(name).attrs["RootFS"]["Layers"] for name in images]
        assert layers[0][0] == layers[1][0]
        assert layers[0] != layers[1]
        again = shipping.ship(Shell(), Console(as_json=True), [(host, second)], images[1])
        assert again < 20_000
