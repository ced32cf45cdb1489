"""Stand between a client and a server, count the requests and do harm when told to."""

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Request:
    """Hold a request that passes; harm is done by changing it."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answer: int = 0  # a status to answer with, instead of passing the request on
    delay: float = 0  # s
    cut: int = -1  # bytes of the answer after which the connection breaks
    flip: int = -1  # which byte of the answer is damaged
    answered: bool = False  # the answer, whole or not, has left for the client


@dataclass
class Relay:
    """Hold the relay's address and what passed through it."""

    port: int = 0
    secure: bool = False
    seen: list[Request] = field(default_factory=list)
    harm: Callable[[Request], None] = lambda _: None
    withheld: set[str] = field(default_factory=set)  # headers that no answer has, in small letters
    connections: int = 0  # that clients have open

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}"

    def await_answers(self, *words: str) -> None:
        """Wait until, for each of these words, a request with it in its path was answered."""
        for word in words:
            _await(lambda word=word: any(  # type: ignore[misc]
                word in one.path and one.answered for one in list(self.seen)))  # fmt: skip

    def await_request(self, word: str) -> None:
        """Wait until a request with this word in its path has come."""
        _await(lambda: any(word in one.path for one in list(self.seen)))

    def await_count(self, count: int) -> None:
        """Wait until so many requests have come."""
        _await(lambda: len(self.seen) >= count)

    def await_number_of_answers(self, count: int) -> None:
        """Wait until so many requests were answered."""
        _await(lambda: sum(one.answered for one in list(self.seen)) >= count)

    def await_silence(self) -> None:
        """Wait until what clients had sent before they ended has arrived, or is given up."""
        _await(lambda: not self.connections)
        time.sleep(0.05)  # one may have waited to be accepted
        _await(lambda: not self.connections)


class Gate:
    """Hold some requests back until their client has ended; they never arrive then."""

    def __init__(self, held: Callable[[Request], bool]) -> None:
        self._held = held
        self._over = threading.Event()

    def __call__(self, request: Request) -> None:
        if self._held(request):
            self._over.wait(120)
            raise ConnectionResetError

    def open(self) -> None:
        """Drop what was held."""
        self._over.set()


def _await(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def relaying(upstream: int, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Relay]:
    relay = Relay(secure=tls is not None)
    server = Server(relay, upstream, port)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    relay.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 200

    def __init__(self, relay: Relay, upstream: int, port: int = 0) -> None:
        self.relay = relay
        self.upstream = upstream
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are cut off on purpose."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.count(1)
        self.onward = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)

    def finish(self) -> None:
        self.onward.close()
        try:
            super().finish()
        finally:
            self.count(-1)

    def count(self, connections: int) -> None:
        with self.server.lock:
            self.server.relay.connections += connections

    def note(self, body: bytes) -> Request:
        with self.server.lock:
            seen = self.server.relay.seen
            seen.append(Request(len(seen), self.command, self.path, dict(self.headers), body))
            return seen[-1]

    def pass_on(self) -> None:
        request = self.note(self.rfile.read(int(self.headers.get("content-length") or 0)))
        self.server.relay.harm(request)
        time.sleep(request.delay)
        if request.answer:
            self.respond(request.answer, {}, b"<Error><Code>SlowDown</Code></Error>")
            request.answered = True
            return
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        headers["Content-Length"] = str(len(request.body))
        self.onward.request(request.method, request.path, request.body, headers)
        answer = self.onward.getresponse()
        body = bytearray(answer.read())
        if 0 <= request.flip < len(body):
            body[request.flip] ^= 1
        self.respond(answer.status, dict(answer.getheaders()), bytes(body), request.cut)
        request.answered = True

    def respond(self, status: int, headers: dict[str, str], body: bytes, cut: int = -1) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP | self.server.relay.withheld:
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut] if cut >= 0 else body)
        self.close_connection = self.close_connection or cut >= 0

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
