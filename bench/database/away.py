"""Put a host with the target's server at the other end of a slow link."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bench import link
from bench.link import Far
from slipway.settings.hosts import Host
from tests.conformance.database import host

PORT, CHUNK = 22, 1 << 16


@contextmanager
def reached(end: Far, name: str, folder: Path) -> Iterator[Host]:
    """Start a host that is reached through the link only, and yield how."""
    with host.serving(name, folder) as near, _door(end, near.address):
        assert near.known_hosts_file
        key = near.known_hosts_file.read_text(encoding="utf-8").split(maxsplit=1)[1]
        near.known_hosts_file.write_text(f"{link.THERE} {key}", encoding="utf-8")
        there = replace(near, address=link.THERE)
        try:
            yield there
        finally:
            # The connection that is kept would outlive the link.
            host.disconnected(there)


@contextmanager
def _door(end: Far, address: str) -> Iterator[None]:
    """Listen in the network at the other end, and pass connections on to the host in this one."""
    listening = _listening(end)
    threading.Thread(target=_serve, args=(listening, address), daemon=True).start()
    try:
        yield
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def _listening(end: Far) -> socket.socket:
    """Open a socket in the other network; a socket stays where it was made."""
    made: list[socket.socket] = []

    def make() -> None:
        # A network is one thread's affair, and this thread ends.
        link.enter(os.open(f"/proc/{end.pid}/ns/net", os.O_RDONLY))
        made.append(socket.create_server((link.THERE, PORT)))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def _serve(listening: socket.socket, address: str) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            server = socket.create_connection((address, PORT))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
