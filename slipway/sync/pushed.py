"""Remember what the last push overwrote and deleted, so that it can be undone."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


class Pushed:
    """Hold the names, in a file of .state; a run that was interrupted adds to the next one's."""

    def __init__(self, folder: Path, environment: str) -> None:
        self._path = folder / f"media-{environment}.pushed.json"

    def names(self) -> list[str]:
        """Return the names of the last push that overwrote or deleted something."""
        return self._read()[0]

    def begin(self, names: Iterable[str]) -> None:
        """Note what is about to be overwritten or deleted; nothing leaves the last note alone."""
        wanted = set(names)
        if not wanted:
            return
        before, over = self._read()
        self._write(sorted(wanted if over else wanted | set(before)), over=False)

    def end(self) -> None:
        """Note that the push came to its end."""
        names, over = self._read()
        if not over:
            self._write(names, over=True)

    def forget(self) -> None:
        """Forget it: it was undone."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> tuple[list[str], bool]:
        with suppress(OSError, ValueError, KeyError):
            said = json.loads(self._path.read_text(encoding="utf-8"))
            return list(said["names"]), bool(said["over"])
        return [], True

    def _write(self, names: list[str], *, over: bool) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps({"names": names, "over": over}), encoding="utf-8")
        beside.replace(self._path)
