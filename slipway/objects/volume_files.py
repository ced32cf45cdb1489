"""Read a folder of media where it lies: what is in it, with checksums; no link is followed.

This module runs on the host, with the Python that is there and nothing else: it may import the
standard library, and its neighbours volume_*.py that go the same way.
"""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import sys
import time
from bisect import bisect
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
OWN = ".slipway-"
INCOMING = ".slipway-incoming"
PAGE = 20_000  # files an answer
CHUNK = 1 << 20
SETTLED = 2_000_000_000  # ns; a younger file may change without another time
STALE = 7 * 24 * 3600  # s after which what nobody completed goes
SCHEMA = """create table if not exists files (
  name text primary key, size integer, mtime integer, ctime integer, inode integer, etag text
) without rowid"""
Stamp = tuple[int, ...]
Request = dict[str, Any]
Reply = tuple[dict[str, Any], bytes]


class Known(NamedTuple):
    """Hold the MD5 that a file had when it bore this stamp, and whether it may be relied on."""

    stamp: Stamp
    etag: str
    settled: bool  # any later change was bound to have another time


UNKNOWN = Known((), "", False)


class Refused(Exception):
    """Tell the other side why a request was not done: a code that it knows, and words."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what


def md5(data: bytes = b"") -> Any:
    """Return an MD5, which compares content and keeps no secret."""
    return hashlib.new("md5", data, usedforsecurity=False)


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what changes whenever a file's content does."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def hashed(leaf: str, folder: int) -> Known:
    """Read a file of an open folder; one that changes meanwhile is given no MD5."""
    descriptor = os.open(leaf, FILE, dir_fd=folder)
    try:
        before, now = stamp_of(os.fstat(descriptor)), time.time_ns()
        digest = md5()
        while chunk := os.read(descriptor, CHUNK):
            digest.update(chunk)
        same = stamp_of(os.fstat(descriptor)) == before
        settled = max(before[1], before[2]) < now - SETTLED
        return Known(before, digest.hexdigest() if same else "", settled)
    finally:
        os.close(descriptor)


def unless_gone(error: OSError) -> None:
    """Raise what kept a folder from being read, but where the site deleted it meanwhile."""
    if not isinstance(error, FileNotFoundError):
        raise error


class Files:
    """Hold the folder, and what is known of the files in it; to be used from several threads."""

    def __init__(self, root: str, cache: str) -> None:
        above = os.stat(os.path.dirname(root.rstrip("/")))
        self.owner = (above.st_uid, above.st_gid)
        if not os.path.isdir(root):
            os.mkdir(root, 0o755)
            os.chown(root, *self.owner)
        self.top = os.open(root, FOLDER)
        with suppress(FileExistsError):
            os.mkdir(INCOMING, 0o700, dir_fd=self.top)
        self.incoming = os.open(INCOMING, FOLDER, dir_fd=self.top)
        self.cache = cache
        self.known: dict[str, Known] = {}
        self.sorted: list[list[Any]] = []
        self.sweep()

    def sweep(self) -> None:
        """Remove what was begun long ago and never completed."""
        for name in os.listdir(self.incoming):
            with suppress(OSError):
                status = os.stat(name, dir_fd=self.incoming)
                # What is about to take its place has got the time of the file that was sent.
                if time.time() - max(status.st_mtime, status.st_ctime) > STALE:
                    self.drop(name)

    def drop(self, name: str) -> None:
        """Remove a file or an upload that was on its way."""
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=self.incoming, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(f"/proc/self/fd/{self.incoming}/{name}", ignore_errors=True)
            else:
                os.unlink(name, dir_fd=self.incoming)

    def page(self, request: Request, _: bytes) -> Reply:
        """Return the page of names, sizes and MD5s that follows a name, sorted by name."""
        after = request["after"]
        # Where the connection broke between two pages, this program has listed nothing yet.
        if not after or not self.sorted:
            self.load()
            self.sorted = sorted(self.compared())
            self.save()
        first = bisect(self.sorted, [after, sys.maxsize]) if after else 0
        found = self.sorted[first : first + PAGE]
        return {"more": first + PAGE < len(self.sorted)}, json.dumps(found).encode()

    def compared(self) -> Iterator[list[Any]]:
        """Yield name, size and MD5 of every file; what did not change is not read again."""
        known: dict[str, Known] = {}
        for name, folder, leaf in self.walked():
            try:
                status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    continue
                found = self.known.get(name, UNKNOWN)
                if not found.settled or found.stamp != stamp_of(status):
                    found = hashed(leaf, folder)
            except FileNotFoundError:  # deleted by the site meanwhile
                continue
            known[name] = found
            yield [name, found.stamp[0], found.etag]
        self.known = known

    def walked(self) -> Iterator[tuple[str, int, str]]:
        """Walk the folder and yield names, with the open folder and the name in it."""
        for path, folders, files, descriptor in os.fwalk(".", dir_fd=self.top, onerror=unless_gone):
            folders[:] = [name for name in folders if not name.startswith(OWN)]
            for leaf in files:
                if not leaf.startswith(OWN):
                    yield f"{path}/{leaf}"[2:], descriptor, leaf

    def load(self) -> None:
        """Read what an earlier run learnt."""
        with suppress(sqlite3.Error), sqlite3.connect(self.cache) as database:
            database.execute(SCHEMA)
            for name, *stamp, etag in database.execute("select * from files"):
                self.known[name] = Known(tuple(stamp), etag, True)

    def save(self) -> None:
        """Keep what was learnt of files that were too old to change unnoticed."""
        rows = [
            (name, *found.stamp, found.etag)
            for name, found in self.known.items()
            if found.etag and found.settled and name.isprintable()
        ]
        with suppress(sqlite3.Error), sqlite3.connect(self.cache) as database:
            database.execute("delete from files")
            database.executemany("insert into files values (?, ?, ?, ?, ?, ?)", rows)

    def look(self, request: Request, _: bytes) -> Reply:
        """Return size and MD5 of one file."""
        try:
            with self.folder(request["name"]) as (folder, leaf):
                found = hashed(leaf, folder)
        except OSError as error:
            # What a link leads to is not listed either.
            if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                raise
            return {"there": False}, b""
        self.known[request["name"]] = found
        return {"there": True, "size": found.stamp[0], "etag": found.etag}, b""

    def get(self, request: Request, _: bytes) -> Reply:
        """Return a range of a file that is still the one that was listed."""
        name = request["name"]
        try:
            with self.folder(name) as (folder, leaf):
                self.expect(name, request["etag"], leaf, folder)
                descriptor = os.open(leaf, FILE, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            raise Refused("changed", "is not there any more") from None
        try:
            body = os.pread(descriptor, request["size"], request["from"])
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if stamp_of(status) != self.known[name].stamp:
            raise Refused("changed", "changed while it was read")
        return {"modified": status.st_mtime_ns, "size": status.st_size}, body

    def expect(self, name: str, etag: str, leaf: str, folder: int) -> None:
        """Refuse to go on where a file has another content than was listed."""
        status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
        if self.known.get(name, UNKNOWN).stamp != stamp_of(status):
            self.known[name] = hashed(leaf, folder)
        if etag and self.known[name].etag != etag:
            raise Refused("changed", "changed while it was read")

    def delete(self, request: Request, _: bytes) -> Reply:
        """Remove files; return name and reason of each that could not be."""
        failed = []
        for name in request["names"]:
            try:
                with self.folder(name) as (folder, leaf):
                    os.unlink(leaf, dir_fd=folder)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                failed.append([name, error.strerror or str(error)])
        return {"failed": failed}, b""

    @contextmanager
    def folder(self, name: str, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder of a file, step by step."""
        *parts, leaf = name.split("/")
        if leaf in {"", ".", ".."} or leaf.startswith(OWN) or "\0" in name:
            raise Refused("refused", "its name leads elsewhere")
        descriptor = os.dup(self.top)
        try:
            for part in parts:
                deeper = self.step(descriptor, part, make)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor, leaf
        finally:
            os.close(descriptor)

    def step(self, folder: int, part: str, make: bool) -> int:
        """Open a folder in a folder."""
        if part in {"", ".", ".."} or part.startswith(OWN):
            raise Refused("refused", "its name leads elsewhere")
        made = False
        if make:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=folder)
                made = True
        try:
            deeper = os.open(part, FOLDER, dir_fd=folder)
        except NotADirectoryError:
            if not make:
                raise
            what = f"a link or a file is in the way of its folder {part}"
            raise Refused("refused", what) from None
        if made:
            os.fchown(deeper, *self.owner)
        return deeper
