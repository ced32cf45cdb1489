"""Count what a run does, from several threads (pure)."""

import threading
from dataclasses import dataclass, field

from slipway.sync.scan import Problem


@dataclass
class Tally:
    """Count what was done, from several threads."""

    files: int = 0
    size: int = 0  # bytes of the files that arrived
    moved: int = 0  # bytes so far, for the progress bar
    resumed: int = 0  # bytes that an earlier run had sent already
    problems: list[Problem] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, size: int) -> None:
        """Count a file that arrived and was verified."""
        with self._lock:
            self.files += 1
            self.size += size

    def advance(self, size: int) -> None:
        """Count bytes on their way."""
        with self._lock:
            self.moved += size

    def spared(self, size: int) -> None:
        """Count bytes that were there already."""
        with self._lock:
            self.moved += size
            self.resumed += size

    def failed(self, name: str, reason: str) -> None:
        """Note a file that was not sent."""
        with self._lock:
            self.problems.append(Problem(name, reason))
