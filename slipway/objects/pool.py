"""Keep connections to one server, count the requests, and repeat those that may yet succeed."""

import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from slipway.errors import StorageError
from slipway.objects.wire import Answer, BrokenAnswer, Place, Wire, trust

PATIENCE = 60.0  # s, from the first failure on, for which a server may be away or busy
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # s
BUSY = {429, 503}
REPEATED = {408, 429, 500, 502, 503, 504}
Refuse = Callable[[str], StorageError]


class Observer(Protocol):
    """Describe who wants to know how requests go."""

    def answered(self, took: float, size: int) -> None:
        """Hear that a request with a body of `size` bytes was answered after `took` s."""

    def strained(self) -> None:
        """Hear that the server, or the line, is overloaded."""


class Counter:
    """Count the requests made to a storage, from several threads."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add(self, count: int = 1) -> None:
        """Count some more."""
        with self._lock:
            self.value += count


class Pool:
    """Send requests from any number of threads over connections that are kept."""

    def __init__(self, place: Place, counter: Counter) -> None:
        self._place = place
        self.counter = counter
        self._idle: deque[Wire] = deque()
        self._answered = False
        self.observer: Observer | None = None

    def patiently(
        self, once: Callable[[], Answer], again: Callable[[Answer], bool], refuse: Refuse
    ) -> Answer:
        """Return the answer of `once`, repeated with growing pauses while that may help.

        It helps while the server is busy, or `again` says so of an answer; and while it is away,
        if it has answered before: what never answered will not mend by waiting. Raises what
        `refuse` makes of the reason.
        """
        deadline, pause, tries = float("inf"), FIRST_PAUSE, 0
        while True:
            tries += 1
            try:
                answer = once()
            except OSError as error:
                if not self._answered or time.monotonic() + pause > deadline:
                    raise refuse(_said(error)) from None
                self._strained(isinstance(error, TimeoutError))
            else:
                self._strained(answer.status in BUSY)
                repeated = answer.status in REPEATED or again(answer)
                if not repeated or time.monotonic() + pause > deadline:
                    return answer._replace(repeated=True) if tries > 1 else answer
            # A try may itself take as long as this, and is to be followed by another.
            deadline = min(deadline, time.monotonic() + PATIENCE)
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret depends on it
            pause = min(2 * pause, LONGEST_PAUSE)

    def exchange(self, head: bytes, body: bytes, *, bodiless: bool = False) -> Answer:
        """Send one request over a connection that is free, or a new one; raises OSError."""
        repeated = False
        while True:
            wire = self._wire()
            kept = wire.used
            self.counter.add()
            begin = time.perf_counter()
            try:
                answer = wire.exchange(head, body, bodiless=bodiless)
            except (BrokenAnswer, ConnectionError):
                if kept:  # it was idle for longer than the server likes
                    repeated = True
                    continue
                raise
            except TimeoutError:
                if kept:  # a firewall may have forgotten it, and all that were idle for longer
                    self._forget()
                raise
            self._answered = True
            if self.observer and kept:
                self.observer.answered(time.perf_counter() - begin, len(body))
            if wire.open:
                self._idle.append(wire)
            return answer._replace(repeated=True) if repeated else answer

    def _forget(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _strained(self, really: bool) -> None:
        if really and self.observer:
            self.observer.strained()

    def _wire(self) -> Wire:
        try:
            return self._idle.pop()
        except IndexError:
            return Wire(self._place)


class Pooled:
    """Let a bucket tell of its requests what its pool knows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @property
    def observer(self) -> Observer | None:
        """Return who hears how requests go."""
        return self._pool.observer

    @observer.setter
    def observer(self, observer: Observer | None) -> None:
        self._pool.observer = observer

    @property
    def requests(self) -> int:
        """Return how many requests were made, repetitions included."""
        return self._pool.counter.value


def place_of(host: str, port: int | None, *, secure: bool, refuse: Refuse) -> Place:
    """Return where a server is, and what is trusted of it; raises what `refuse` makes."""
    try:
        tls = trust() if secure else None
    except (ssl.SSLError, ValueError) as error:
        raise refuse(f"builder error: {error}") from None
    return Place(host, port or (443 if secure else 80), tls)


def _said(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return str(error)
