"""Decide how many requests run at once: more while they do not wait for each other (pure).

Each answer's time is compared with the shortest one. While the mean of a round stays near it,
neither the line nor the server has a queue, and twice as many are let go; where it is far
above, the queue only costs memory. A busy server or a time-out halves the number at once.
"""

import threading
import time

FIRST = 16
MOST = 256
SMALL = 64 * 1024  # bytes; the time of larger bodies says nothing about queues
NEAR, FAR = 2.0, 6.0  # times the shortest answer
RESPITE = 1.0  # s in which several signs of strain count as one


class Pacer:
    """Hold how many requests may run at once, and learn from how they go."""

    def __init__(self, first: int = FIRST, most: int = MOST) -> None:
        self.limit = first
        self._floor, self._most = first, most
        self._least = float("inf")
        self._count, self._sum = 0, 0.0
        self._strained_at = 0.0
        self._lock = threading.Lock()

    def answered(self, took: float, size: int) -> None:
        """Hear that a request with a body of `size` bytes was answered after `took` s."""
        if size > SMALL:
            return
        with self._lock:
            self._least = min(self._least, took)
            self._count += 1
            self._sum += took
            if self._count >= self.limit:
                self._judge(self._sum / self._count / max(self._least, 1e-6))
                self._count, self._sum = 0, 0.0

    def strained(self) -> None:
        """Hear that the server, or the line, is overloaded."""
        with self._lock:
            now = time.monotonic()
            if now - self._strained_at > RESPITE:
                self.limit = max(1, self.limit // 2)
                self._count, self._sum = 0, 0.0
                self._strained_at = now

    def _judge(self, queueing: float) -> None:
        if queueing < NEAR:
            # After strain the way up is slow, or it would be met again at once.
            step = max(1, self.limit // 8) if self._strained_at else self.limit
            self.limit = min(self._most, self.limit + step)
        elif queueing > FAR and self.limit > self._floor:
            self.limit = max(self._floor, self.limit * 3 // 4)
        elif self.limit < self._floor:
            self.limit += 1
