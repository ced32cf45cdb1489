"""Pass TCP connections on to a port of this machine and count what comes back from it."""

import socket
from collections.abc import Callable
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from types import TracebackType

CHUNK = 1 << 16
LOOPBACK = "127.0.0.1"


class Relay(ThreadingTCPServer):
    """Listen on a free port of the loopback interface while the context is open."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, target: int) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.target = target
        self.bytes_sent = 0
        self._lock = Lock()

    @property
    def port(self) -> int:
        """Return the port on which the relay listens."""
        return int(self.server_address[1])

    def count(self, sent: int) -> None:
        """Add to the bytes that went to whoever connected."""
        with self._lock:
            self.bytes_sent += sent

    def __enter__(self) -> "Relay":
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
        self.server_close()


class _Connection(BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        try:
            upstream = socket.create_connection((LOOPBACK, self.server.target))
        except OSError:
            return
        with upstream:
            asking = Thread(target=_pump, args=(self.request, upstream), daemon=True)
            asking.start()
            _pump(upstream, self.request, self.server.count)
            asking.join()


def _pump(
    source: socket.socket, target: socket.socket, count: Callable[[int], None] | None = None
) -> None:
    try:
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
            if count:
                count(len(chunk))
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone; the other must not wait for it.
        for end in (source, target):
            _close(end)


def _close(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
