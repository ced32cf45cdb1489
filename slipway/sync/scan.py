"""Walk a folder of media: files, what is left out, and what cannot be sent."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

CLUTTER = {".DS_Store", "Thumbs.db", "desktop.ini"}
TEMPORARY_BEGINNINGS = (".slipway-", "._", ".~lock.", "~$", ".nfs", ".fuse_hidden")
# What SQLite can remember, in whose integers there is a sign: times until 2262.
LATEST = 2**63 - 1


class Stamp(NamedTuple):
    """Hold what changes whenever a file's content does: sizes in bytes, times in ns."""

    size: int
    mtime: int
    ctime: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """Take the stamp out of what the system says about a file."""
        mtime, ctime = min(status.st_mtime_ns, LATEST), min(status.st_ctime_ns, LATEST)
        return cls(status.st_size, mtime, ctime, status.st_ino & LATEST)


class File(NamedTuple):
    """Hold a local file: its name relative to the folder, with slashes, and its stamp."""

    name: str
    path: str
    stamp: Stamp


class Problem(NamedTuple):
    """Hold why a file is not sent."""

    name: str
    reason: str


@dataclass
class Scan:
    """Hold what a walk found; files only where somebody wants them all at once."""

    files: list[File] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0


class _Folder(NamedTuple):
    path: str
    name: str  # with a slash at the end, empty for the top
    trail: tuple[str, ...]  # the real paths from the top to this folder, itself last


Order = Callable[[str], str]
Excluded = Callable[[str], bool]
_Found = list[tuple[str, "File | _Folder"]]


def is_clutter(name: str) -> bool:
    """Tell whether a file is what a desktop leaves behind; no upload of a site is named so."""
    return name in CLUTTER or name.startswith(TEMPORARY_BEGINNINGS)


def nothing(_: str) -> bool:
    """Exclude no name."""
    return False


def scan(top: Path) -> Scan:
    """Walk a folder and hold its files."""
    found = Scan()
    found.files.extend(walk(top, found))
    return found


def walk(
    top: Path, found: Scan, order: Order = str, excluded: Excluded = nothing
) -> Iterator[File]:
    """Walk a folder and yield its files in an order; links are followed if they stay inside it.

    Names are kept as they are on disk. What cannot be read becomes a problem of `found`, not
    an error. `excluded` is asked with relative names; those of folders end with a slash.
    """
    real = os.path.realpath(top)
    yield from _Walk(real, found, order, excluded).files(_Folder(str(top), "", (real,)))


class _Walk:
    def __init__(self, top: str, found: Scan, order: Order, excluded: Excluded) -> None:
        self._top = top
        self._found = found
        self._order = order
        self._excluded = excluded

    def files(self, folder: _Folder) -> Iterator[File]:
        inside: _Found = []
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    self._entry(folder, entry, inside)
        except OSError as error:
            self._problem(folder.name or "./", error.strerror or str(error))
        inside.sort()
        for _, item in inside:
            if isinstance(item, File):
                yield item
            else:
                yield from self.files(item)

    def _entry(self, folder: _Folder, entry: "os.DirEntry[str]", inside: _Found) -> None:
        name = folder.name + entry.name
        try:
            if entry.is_symlink():
                self._link(folder, entry, name, inside)
            elif entry.is_dir(follow_symlinks=False):
                self._folder(folder, entry, name, f"{folder.trail[-1]}/{entry.name}", inside)
            else:
                self._file(entry, name, inside)
        except OSError as error:
            self._problem(name, error.strerror or str(error))

    def _link(self, folder: _Folder, entry: "os.DirEntry[str]", name: str, inside: _Found) -> None:
        real = os.path.realpath(entry.path)
        if not (real == self._top or real.startswith(f"{self._top}/")):
            self._problem(name, "is a link that leads out of the folder")
        elif not entry.is_dir():
            self._file(entry, name, inside)
        elif real in folder.trail:
            self._problem(name, "is a link that leads back to where it is")
        else:
            self._folder(folder, entry, name, real, inside)

    def _folder(
        self, folder: _Folder, entry: "os.DirEntry[str]", name: str, real: str, inside: _Found
    ) -> None:
        if self._excluded(f"{name}/"):
            self._found.left_out += 1
            return
        deeper = _Folder(entry.path, f"{name}/", (*folder.trail, real))
        inside.append((self._order(f"{name}/"), deeper))

    def _file(self, entry: "os.DirEntry[str]", name: str, inside: _Found) -> None:
        if is_clutter(entry.name) or self._excluded(name):
            self._found.left_out += 1
            return
        status = entry.stat()
        if stat.S_ISREG(status.st_mode):
            inside.append((self._order(name), File(name, entry.path, Stamp.of(status))))
        else:
            self._problem(name, "is no ordinary file")

    def _problem(self, name: str, reason: str) -> None:
        self._found.problems.append(Problem(name, reason))
