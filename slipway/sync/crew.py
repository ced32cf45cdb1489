"""Work through lists in threads that Ctrl-C and the first fatal error can stop."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R", covariant=True)
HANDFUL = 500
TICK = 0.1  # s between two looks at the progress
PATIENCE = 1.0  # s for what is under way to end after Ctrl-C
Tick = Callable[[], None]


class Wait(Protocol[R]):
    """Describe what beside() returns."""

    def __call__(self, timeout: float = math.inf) -> R:
        """Return the result; raises what the work raised, or TimeoutError after `timeout` s."""


class Stopped(Exception):
    """Tell a worker to drop what it does because the run ends."""


class Feed(Generic[T]):
    """Hand out items, also to several threads, and take more of them; a few are in memory."""

    def __init__(self, items: Iterable[T], count: int) -> None:
        self._rest = iter(items)
        self._coming = count
        self._ready: deque[T] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._coming + len(self._ready)

    def add(self, item: T) -> None:
        """Take an item that comes next."""
        self._ready.appendleft(item)

    def take(self) -> T:
        """Return the next item; raises IndexError where there is none."""
        try:
            return self._ready.popleft()
        except IndexError:
            with self._lock:
                if not self._ready:
                    some = list(islice(self._rest, HANDFUL))
                    self._coming = self._coming - len(some) if some else 0
                    self._ready.extend(some)
                return self._ready.popleft()


class Gang(Generic[T]):
    """Hold a list, what is to be done with each item, and how many threads may do it now."""

    def __init__(
        self,
        items: Feed[T] | Sequence[T],
        work: Callable[[T], None],
        threads: int | Callable[[], int],
    ) -> None:
        self.items = items if isinstance(items, Feed) else Feed(items, len(items))
        self.work = work
        self.limit = threads if callable(threads) else lambda: threads
        self.busy = 0

    @property
    def missing(self) -> int:
        """Return how many more threads the list could use."""
        return min(self.limit() - self.busy, len(self.items))


class Crew:
    """Run gangs side by side; `stop` may be asked at any time."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def run(self, *gangs: Gang[Any], tick: Tick = lambda: None) -> None:
        """Work until every list is empty; raises the first exception of a worker.

        A worker may add to the lists. Threads are daemons: one that hangs in a request does
        not keep the process alive.
        """
        try:
            while not self.stop.is_set() and any(len(gang.items) or gang.busy for gang in gangs):
                self._staff(gangs)
                self._await(gangs, TICK)
                tick()
        finally:
            # Also on KeyboardInterrupt, which only the main thread gets.
            self.stop.set()
            self._await(gangs, PATIENCE)
        if self._error:
            raise self._error

    def _staff(self, gangs: Sequence[Gang[Any]]) -> None:
        for gang in gangs:
            for _ in range(gang.missing):
                with self._changed:
                    gang.busy += 1
                threading.Thread(target=self._loop, args=(gang,), daemon=True).start()

    def _loop(self, gang: Gang[T]) -> None:
        try:
            while not self.stop.is_set() and gang.busy <= gang.limit():
                try:
                    item = gang.items.take()
                except IndexError:
                    return
                gang.work(item)
        except Stopped:
            pass
        except BaseException as error:
            self._error = self._error or error
            self.stop.set()
        finally:
            with self._changed:
                gang.busy -= 1
                self._changed.notify_all()

    def _await(self, gangs: Sequence[Gang[Any]], seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not any(gang.busy for gang in gangs), seconds)


def beside(work: Callable[[], T]) -> Wait[T]:
    """Start `work` in a thread and return the function that waits for its result."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    def result(timeout: float = math.inf) -> T:
        deadline = time.monotonic() + timeout
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(TICK)
        if errors:
            raise errors[0]
        if not results:
            raise TimeoutError
        return results[0]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return result


class Budget:
    """Keep what several threads hold in memory under a limit (bytes)."""

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Wait until `count` bytes are free and take them; more than the limit takes all."""
        share = min(count, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= share)
            self._free -= share
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()
