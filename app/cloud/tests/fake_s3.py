"""A server on loopback that records S3 requests and answers each as it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote

from django_storage_url import get_storage

from cloud.storage import S3Storage

KEY, SECRET, BUCKET = "KEY/+=", "SECRET/+=@:", "myapp-test"


@dataclass
class Request:
    method: str
    path: str
    headers: Message


@dataclass
class FakeS3:
    port: int
    status: int = 200
    error: str = ""
    head: int = 404
    requests: list[Request] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def dsn(self, prefix: str = "", **query: str) -> str:
        """Return a DSN for this server, as provisioning writes it; `query` adds to it."""
        options = {
            "endpoint": self.endpoint,
            "region_name": "eu-test-1",
            "addressing_style": "path",
            "auth": "s3v4",
            **query,
        }
        user = f"{quote(KEY, safe='')}:{quote(SECRET, safe='')}"
        text = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return f"s3://{user}@{BUCKET}.127.0.0.1:{self.port}/{prefix}?{text}"

    def storage(self, prefix: str = "", **query: str) -> S3Storage:
        return get_storage(self.dsn(prefix, **query))


@contextmanager
def fake_s3() -> Iterator[FakeS3]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.fake = FakeS3(server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        fake = self.server.fake
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fake.requests.append(Request(self.command, self.path, self.headers))
        body = f"<Error><Code>{fake.error}</Code></Error>".encode() if fake.error else b""
        self.send_response(fake.head if self.command == "HEAD" else fake.status)
        self.send_header("Content-Length", str(0 if self.command == "HEAD" else len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""
