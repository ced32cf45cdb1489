"""Let files land in a folder: beside first, then by one rename; never outside of it."""

import ctypes
import hashlib
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from slipway.sync.scan import Stamp

BEGINNING = ".slipway-"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CHUNK = 1024 * 1024


class InTheWay(OSError):
    """Tell that something else is where a file or one of its folders should be."""

    def __init__(self, what: str) -> None:
        super().__init__(0, what)


class Landing:
    """Hold a folder open; every path is walked from there, and no link is followed."""

    def __init__(self, top: Path) -> None:
        self._top = os.open(os.path.realpath(top), FOLDER)
        owner = os.fstat(self._top)
        # Whoever runs this by sudo wants files that belong to the folder's owner.
        self._owner = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None
        self._released: set[int] = set()  # the inodes of files that lost a name

    def __enter__(self) -> "Landing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        os.close(self._top)

    @property
    def free(self) -> int:
        """Return how many bytes fit."""
        room = os.fstatvfs(self._top)
        return room.f_bavail * room.f_frsize

    def settle(self) -> None:
        """Wait until everything that landed is on the disk."""
        syncfs = getattr(ctypes.CDLL(None), "syncfs", None)  # one call for all, on Linux only
        if syncfs is None or syncfs(self._top) != 0:
            os.sync()

    def folds(self) -> bool:
        """Tell whether this disk takes names for one that differ in case or unicode form."""
        name = f"{BEGINNING}{secrets.token_hex(4)}-É"
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=self._top))
        try:
            for other in (name.lower(), name.replace("É", "E\u0301")):
                with suppress(FileNotFoundError):
                    os.stat(other, dir_fd=self._top)
                    return True
            return False
        finally:
            os.unlink(name, dir_fd=self._top)

    def sweep(self, kept: Collection[str]) -> dict[str, int]:
        """Remove what ended runs left half done, but for the temporary names of `kept`.

        Returns the sizes (bytes) of those of them that are there.
        """
        left: dict[str, int] = {}
        for _, _, files, folder in os.fwalk(".", dir_fd=self._top):
            for name in files:
                if name.startswith(BEGINNING):
                    with suppress(OSError):
                        if name in kept:
                            left[name] = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
                        else:
                            os.unlink(name, dir_fd=folder)
        return left

    @contextmanager
    def folder(self, name: str, *, make: bool = False) -> Iterator[int]:
        """Open the folder that holds the file `name`; raises InTheWay where a link leads there."""
        descriptor = os.dup(self._top)
        try:
            for part in name.split("/")[:-1]:
                deeper = self._enter(descriptor, part, make=make)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor
        finally:
            os.close(descriptor)

    def remove(self, name: str, stamp: Stamp) -> None:
        """Remove a file that is still the one that was seen; raises OSError."""
        with self.folder(name) as folder:
            leaf = name.rpartition("/")[2]
            self.release(stamp_in(folder, leaf), stamp)
            os.unlink(leaf, dir_fd=folder)

    def release(self, present: Stamp | None, seen: Stamp | None) -> None:
        """Let a file lose its name; raises InTheWay where it is not the one that was seen.

        Of one that has several names, taking one away changes the time that the others show.
        """
        if present and seen and seen.inode in self._released:
            present, seen = present._replace(ctime=0), seen._replace(ctime=0)
        if present != seen:
            raise InTheWay("changed here meanwhile, and stays")
        if seen:
            self._released.add(seen.inode)

    def give(self, descriptor: int) -> None:
        """Give a file or folder to the owner of the top, where this runs as root."""
        if self._owner:
            os.fchown(descriptor, *self._owner)

    def _enter(self, folder: int, part: str, *, make: bool) -> int:
        made = False
        if make:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
                made = True
        try:
            descriptor = os.open(part, FOLDER, dir_fd=folder)
        except NotADirectoryError:
            raise InTheWay(f"a link or a file is in the way of its folder {part}") from None
        if made:
            self.give(descriptor)
        return descriptor


class Arrival:
    """Hold a file that is on its way, under a temporary name beside its own."""

    def __init__(self, landing: Landing, folder: int, name: str, temporary: str) -> None:
        self._landing = landing
        self._folder = folder
        self._leaf = name.rpartition("/")[2]
        self._temporary = temporary
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(temporary, flags, 0o666, dir_fd=folder)
        landing.give(self._file)
        self.size = os.fstat(self._file).st_size

    def present(self) -> Iterator[bytes]:
        """Read what an interrupted run has left; afterwards, write() goes on behind it."""
        return iter(lambda: os.read(self._file, CHUNK), b"")

    def write(self, chunk: bytes) -> None:
        """Append bytes; raises OSError, as where the disk is full."""
        rest = memoryview(chunk)
        while rest:
            written = os.write(self._file, rest)
            self.size += written
            rest = rest[written:]

    def restart(self) -> None:
        """Drop what was written."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.size = 0

    def land(self, modified: int, before: Stamp | None) -> Stamp:
        """Take the place of the file that was seen (`before`; None: there was none).

        `modified` is in ns. Raises InTheWay where something else is there by now.
        """
        self._landing.release(stamp_in(self._folder, self._leaf), before)
        if before:
            mode = os.stat(self._leaf, dir_fd=self._folder, follow_symlinks=False).st_mode
            os.fchmod(self._file, stat.S_IMODE(mode))
            os.fdatasync(self._file)  # what is replaced must not be lost with the power
        os.utime(self._file, ns=(modified, modified))
        os.replace(
            self._temporary, self._leaf, src_dir_fd=self._folder, dst_dir_fd=self._folder
        )  # fmt: skip
        return Stamp.of(os.fstat(self._file))

    def close(self) -> None:
        """Close the file; what did not land stays under its temporary name."""
        os.close(self._file)

    def discard(self) -> None:
        """Remove what did not land."""
        with suppress(FileNotFoundError):
            os.unlink(self._temporary, dir_fd=self._folder)


@contextmanager
def arrival(landing: Landing, name: str, etag: str) -> Iterator[Arrival]:
    """Open the way in for one file; the caller discards or lands it."""
    with landing.folder(name, make=True) as folder:
        file = Arrival(landing, folder, name, temporary_name(name, etag))
        try:
            yield file
        finally:
            file.close()


def temporary_name(name: str, etag: str) -> str:
    """Return the same name for the same content of the same file, in every run."""
    digest = hashlib.sha256(f"{name}\0{etag}".encode()).hexdigest()
    return f"{BEGINNING}{digest[:24]}.part"


def stamp_in(folder: int, leaf: str) -> Stamp | None:
    """Return the stamp of a file, None where there is none; raises InTheWay for anything else."""
    try:
        status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise InTheWay("a link or a folder of this name is in the way")
    return Stamp.of(status)
