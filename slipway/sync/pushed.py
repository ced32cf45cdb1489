"""Remember what the last push overwrote and deleted, so that it can be undone."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path

# Between two texts of a line; a name may hold the same, escaped.
BETWEEN, ESCAPED = b'", "', b'\\"'


@dataclass(slots=True)
class Noted:
    """Hold what a push did to an object: the ETags that it sent, the one that it deleted."""

    was_there: bool = False  # when the push began
    sent: tuple[str, ...] = ()
    deleted: str | None = None  # empty where it was not looked at


class Pushed:
    """Hold the note of a push, a file of .state with a line of JSON for each thing done.

    A run that was interrupted adds to the next one's. `place` tells storages apart.
    """

    def __init__(self, folder: Path, environment: str, place: str) -> None:
        self._path = folder / f"media-{environment}.pushed.json"
        self._place = place

    def objects(self) -> dict[str, Noted]:
        """Return what the last push that overwrote or deleted something did, by name."""
        noted: dict[str, Noted] = {}
        for line in [] if self.refused() else self._lines():
            match line:
                case [str(name)]:
                    noted.setdefault(name, Noted()).was_there = True
                case [str(name), str(etag)]:
                    noted.setdefault(name, Noted()).sent += (etag,)
                case [str(name), str(etag), "deleted"]:
                    noted.setdefault(name, Noted()).deleted = etag
        return {name: one for name, one in noted.items() if one.sent or one.deleted is not None}

    def refused(self) -> str:
        """Say why the note cannot be used, or return an empty text."""
        there = self._there()
        if there == self._place or not self._path.exists():
            return ""
        return f"is of another storage, {there}" if there else "is not one of this version"

    def begin(self, names: Iterable[str]) -> None:
        """Note what is about to be overwritten or deleted; nothing leaves the last note alone."""
        lines = [[name] for name in names]
        if self._there() != self._place or (lines and self._is_over()):
            beside = self._path.with_suffix(".new")
            beside.write_bytes(_rendered([{"place": self._place}, *lines]))
            beside.replace(self._path)
        elif lines:
            self._append([], *lines)  # a killed run may have left half a line

    def sends(self, name: str, etag: str) -> None:
        """Note which ETag an object gets or has got, also one that was not there."""
        self._append([name, etag])

    def deletes(self, name: str, etag: str) -> None:
        """Note that the object that has this ETag is about to be deleted."""
        self._append([name, etag, "deleted"])

    def end(self) -> None:
        """Note that the push came to its end."""
        if not self._is_over():
            self._append("over")

    def forget(self) -> None:
        """Forget it: it was undone."""
        self._path.unlink(missing_ok=True)

    def _there(self) -> str:
        first = next(self._lines(), None)
        return str(first.get("place", "")) if isinstance(first, dict) else ""

    def _is_over(self) -> bool:
        """Tell whether no run was interrupted that took something away."""
        over = True
        # Most lines tell of a file that was sent, and there may be very many.
        for line in self._lines(lambda text: BETWEEN not in text or ESCAPED in text):
            if line == "over":
                over = True
            elif isinstance(line, list) and len(line) == 1:
                over = False
        return over

    def _lines(self, wanted: Callable[[bytes], bool] = bool) -> Iterator[object]:
        with suppress(OSError), self._path.open("rb") as file:
            for line in filter(wanted, file):
                with suppress(ValueError):
                    yield json.loads(line)

    def _append(self, *lines: object) -> None:
        """Write in one go, from any thread, and so that it is there also after a kill."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            text = _rendered(lines)
            if os.write(handle, text) < len(text):
                # A line of its own begins after the half one.
                os.write(handle, b"\n")
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(self._path))
        finally:
            os.close(handle)


def _rendered(lines: Iterable[object]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
