"""Find the server's own limit: requests that were signed before, sent by bare sockets."""

import os
import socket
import subprocess
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from bench.mediasets import contents
from slipway.command import Command, Shell
from slipway.objects.signature import signed_headers

ROOT = Path(__file__).resolve().parents[1]
THREADS = 16


class Sender:
    """Hold a process that has signed the requests for all files, and waits for a word.

    It is one of its own: this one stays small, or every tool that it starts would be taken for
    as large.
    """

    def __init__(self, endpoint: str, bucket: str, folder: Path, key: str, secret: str) -> None:
        words = (sys.executable, "-m", __name__, endpoint, bucket, str(folder))
        command = Command.of(*words, env={"KEY": key, "SECRET": secret}, cwd=ROOT)
        self._process = Shell().start(command, stdin=subprocess.PIPE)
        assert self._process.stdout
        self._process.stdout.readline()

    def send(self) -> None:
        """Send them all."""
        _, said = self._process.communicate(b"\n")
        if self._process.returncode:
            raise RuntimeError(said.decode("utf-8", "replace")[-300:])


def main(endpoint: str, bucket: str, folder: str) -> None:
    """Sign the requests for all files, wait for a line, and send them."""
    netloc = urlsplit(endpoint).netloc
    key, secret = os.environ["KEY"], os.environ["SECRET"]
    waiting: deque[bytes] = deque()
    for name, body in contents(Path(folder)):
        path = f"/{bucket}/{quote(name)}"
        headers = signed_headers(
            "PUT", netloc, path, "", key=key, secret=secret, region="us-east-1",
            now=datetime.now(UTC), content="UNSIGNED-PAYLOAD",
        )  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"PUT {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        waiting.append(head.encode() + body)
    print("ready", flush=True)
    sys.stdin.readline()
    _send_all(waiting, endpoint)


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


if __name__ == "__main__":
    main(*sys.argv[1:])
