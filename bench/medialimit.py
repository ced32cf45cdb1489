"""Find the server's own limit: requests that were signed before, sent by bare sockets."""

import socket
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from bench.mediasets import contents
from slipway.objects.signature import signed_headers

THREADS = 16


def send_bare(
    endpoint: str, bucket: str, folder: Path, key: str, secret: str
) -> Callable[[], None]:
    """Sign the requests for all files, and return the function that sends them."""
    netloc = urlsplit(endpoint).netloc
    waiting: deque[bytes] = deque()
    for name, body in contents(folder):
        path = f"/{bucket}/{quote(name)}"
        headers = signed_headers(
            "PUT", netloc, path, "", key=key, secret=secret, region="us-east-1",
            now=datetime.now(UTC), content="UNSIGNED-PAYLOAD",
        )  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"PUT {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        waiting.append(head.encode() + body)
    return lambda: _send_all(waiting, endpoint)


def _send_all(waiting: deque[bytes], endpoint: str) -> None:
    threads = [threading.Thread(target=_send, args=(waiting, endpoint)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if waiting:
        raise RuntimeError("the server refused bare requests")


def _send(waiting: deque[bytes], endpoint: str) -> None:
    place = urlsplit(endpoint)
    with socket.create_connection((place.hostname or "", place.port or 80)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while waiting:
            try:
                request = waiting.popleft()
            except IndexError:
                return
            wire.sendall(request)
            answer = wire.recv(65536)
            while b"\r\n\r\n" not in answer:
                answer += wire.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                waiting.append(request)
                raise RuntimeError(answer.decode("latin-1")[:200])
