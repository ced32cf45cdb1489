"""Use a site as many visitors do at once, and note every request that fails."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HOST = "three.localhost:8080"
QUICK, SLOW, UPLOADS = 5, 2, 2
RATE = 20.0
PIECE, PIECES = b"x" * 100_000, 10


class Visitor:
    """Hold one kept connection; `failures` gets what went wrong."""

    def __init__(self, address: str, failures: list[str]) -> None:
        self.address = address
        self.failures = failures
        self.connection: http.client.HTTPConnection | None = None
        self.sent = 0
        self.slowest = 0.0

    def ask(self, method: str, path: str, body: Iterator[bytes] | None = None) -> str:
        begin = time.monotonic()
        try:
            said = self._ask(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            said = ""
            self.failures.append(f"{path}: {type(error).__name__} {error}")
            self.connection = None
        self.sent += 1
        self.slowest = max(self.slowest, time.monotonic() - begin)
        return said

    def _ask(self, method: str, path: str, body: Iterator[bytes] | None) -> str:
        if not self.connection:
            self.connection = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"Host": HOST}
        if body is not None:
            headers["Content-Length"] = str(len(PIECE) * PIECES)
        self.connection.request(method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        said = answer.read().decode(errors="replace")
        if answer.status != 200:
            self.failures.append(f"{path}: {answer.status}")
        return said


class Traffic:
    """Hold all visitors of some hosts: quick requests, slow ones, and uploads in flight."""

    def __init__(self, addresses: list[str]) -> None:
        self.failures: list[str] = []
        self.versions: set[str] = set()
        self._addresses = addresses
        self._visitors: list[Visitor] = []
        self._stop = threading.Event()

    @property
    def sent(self) -> int:
        return sum(visitor.sent for visitor in self._visitors)

    def start(self) -> list[threading.Thread]:
        kinds = [self._quick] * QUICK + [self._slow] * SLOW + [self._upload] * UPLOADS
        threads = []
        for number, kind in enumerate(kinds):
            address = self._addresses[number % len(self._addresses)]
            visitor = Visitor(address, self.failures)
            self._visitors.append(visitor)
            threads.append(threading.Thread(target=self._repeat, args=(kind, visitor), daemon=True))
        for thread in threads:
            thread.start()
        return threads

    def stop(self, threads: list[threading.Thread]) -> None:
        self._stop.set()
        for thread in threads:
            thread.join(90)

    def _repeat(self, kind: Callable[[Visitor], None], visitor: Visitor) -> None:
        while not self._stop.is_set():
            begin = time.monotonic()
            kind(visitor)
            self._stop.wait(max(0.0, 1 / RATE - (time.monotonic() - begin)))

    def _quick(self, visitor: Visitor) -> None:
        self.versions.add(visitor.ask("GET", "/version"))

    def _slow(self, visitor: Visitor) -> None:
        visitor.ask("GET", "/slow")

    def _upload(self, visitor: Visitor) -> None:
        said = visitor.ask("POST", "/upload", _slowly())
        if said and said != str(len(PIECE) * PIECES):
            self.failures.append(f"/upload: took {said} bytes")


def _slowly() -> Iterator[bytes]:
    for _ in range(PIECES):
        time.sleep(0.2)
        yield PIECE


@contextmanager
def traffic(*addresses: str) -> Iterator[Traffic]:
    found = Traffic(list(addresses))
    threads = found.start()
    try:
        yield found
    finally:
        found.stop(threads)
