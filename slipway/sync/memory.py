"""Remember, between runs, the ETags of local files and the uploads under way.

A convenience: losing it costs the reading of the files, never correctness.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple

from slipway.errors import ConfigurationError, SlipwayError
from slipway.objects.shards import SPACING, by_letters
from slipway.sync.plan import Known, Order, Row
from slipway.sync.scan import Stamp

SETTLED = 2_000_000_000  # ns; a file younger than this may change without a new time stamp
BATCH = 5_000  # files learnt between two writes
SCHEMA = """
pragma synchronous = off;
create table if not exists files (
  name text primary key, size integer, mtime integer, ctime integer, inode integer, etags text
) without rowid;
create table if not exists pending (
  name text primary key, upload text, part_size integer, started real,
  size integer, mtime integer, ctime integer, inode integer
) without rowid;
create table if not exists seeds (name text primary key) without rowid;
"""


# With their columns: another version's file may have more.
BEGIN_UPLOAD = """insert or replace into pending
  (name, upload, part_size, started, size, mtime, ctime, inode) values (?, ?, ?, ?, ?, ?, ?, ?)"""
UPLOADS = "select name, upload, part_size, started, size, mtime, ctime, inode from pending"
LEARN = """insert or replace into files
  (name, size, mtime, ctime, inode, etags) values (?, ?, ?, ?, ?, ?)"""
# The last: of another kind.
DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_IOERR_SHORT_READ", "SQLITE_ERROR")


class Upload(NamedTuple):
    """Hold an upload in parts that was begun: its identity, and of what content."""

    name: str
    upload: str
    part_size: int
    started: float  # Unix time
    stamp: Stamp


class Memory:
    """Hold what is remembered of one environment; to be used from several threads.

    What cannot be written is forgotten: `trouble` says why.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._fresh: dict[str, Row] = {}
        self._changed = False
        self._orders = count()
        self.trouble = ""

    def known(self) -> dict[str, Known]:
        """Return what is remembered of all files."""
        rows = self.rows(by_letters)
        return {row.name: Known(Stamp(*row[1:5]), frozenset(row.etags.split())) for row in rows}

    def rows(self, order: Order) -> Iterator[Row]:
        """Return what is remembered of all files, a row each, in an order of names."""
        # A name of its own: none can be defined anew while rows by another order are half read.
        place = f"place{next(self._orders)}"
        self._database.create_function(place, 1, order, deterministic=True)
        by = "name" if order("a/") == "a/" else f"{place}(name)"
        statement = f"select name, size, mtime, ctime, inode, etags from files order by {by}"  # noqa: S608 - a word of ours
        return map(Row._make, self._database.execute(statement))

    def seeds(self) -> list[str]:
        """Return names at which a listing may be cut."""
        return [name for (name,) in self._database.execute("select name from seeds")]

    def learn(
        self, name: str, stamp: Stamp, *etags: str, read: int | None = None, landed: bool = False
    ) -> None:
        """Remember the ETags of a file's content, unless it was too young to be sure.

        `read` is when its reading began (Unix, ns); None: now. What `landed` with a time of its
        own has another one as soon as somebody writes to it.
        """
        newest = stamp.mtime if landed else max(stamp.mtime, stamp.ctime)
        if (read or time.time_ns()) - newest <= SETTLED:
            return
        row = Row(name, *stamp, " ".join(dict.fromkeys(etags)))
        with self._lock:
            self._fresh[name] = row
            if len(self._fresh) >= BATCH:
                self._flush()

    def forget(self, names: Iterable[str]) -> None:
        """Forget files that are not there any more."""
        with self._lock, self._written():
            self._database.executemany(
                "delete from files where name = ?", ((name,) for name in names)
            )
            self._changed = True

    def begin_upload(self, upload: Upload) -> None:
        """Remember that an upload in parts has begun."""
        name, identity, part_size, started, stamp = upload
        values = (name, identity, part_size, started, *stamp)
        self._write(BEGIN_UPLOAD, values)

    def end_upload(self, name: str) -> None:
        """Forget an upload in parts that was completed or aborted."""
        self._write("delete from pending where name = ?", (name,))

    def uploads(self) -> list[Upload]:
        """Return the uploads in parts that were begun and neither completed nor aborted."""
        with self._lock:
            rows = self._database.execute(UPLOADS).fetchall()
        return [Upload(row[0], row[1], row[2], row[3], Stamp(*row[4:])) for row in rows]

    def upload(self, name: str) -> Upload | None:
        """Return the upload in parts of a file that was begun, if there is one."""
        return next((upload for upload in self.uploads() if upload.name == name), None)

    def save(self) -> None:
        """Write what was learnt, and where the next listing may be cut."""
        with self._lock:
            self._flush()
            if not self._changed:
                return
            with self._written():
                names = self._database.execute("select name from files order by name")
                seeds = [row for number, row in enumerate(names, 1) if number % SPACING == 0]
                self._database.execute("delete from seeds")
                self._database.executemany("insert into seeds values (?)", seeds)

    def _flush(self) -> None:
        if not self._fresh:
            return
        with self._written():
            self._database.executemany(LEARN, self._fresh.values())
        self._fresh.clear()
        self._changed = True

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock, self._written():
            self._database.execute(statement, values)

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Write all of it or nothing; a full disk, for one, ends no run that does without."""
        try:
            with self._database:
                yield
        except sqlite3.Error as error:
            self.trouble = str(error)


@contextmanager
def remembered(
    folder: Path, environment: str, warn: Callable[[str], object] = lambda _: None
) -> Iterator[Memory]:
    """Open the memory of an environment, for one run at a time; raises SlipwayError.

    `warn` is told where not all of it could be written.
    """
    with (
        locked(folder, environment, f"media of {environment}"),
        closing(_open(folder / f"media-{environment}.sqlite")) as database,
    ):
        memory = Memory(database)
        try:
            yield memory
        finally:
            memory.save()
            if memory.trouble:
                warn(f"what was learnt here is not kept, and is read again: {memory.trouble}")


@contextmanager
def locked(folder: Path, name: str, what: str) -> Iterator[None]:
    """Hold the lock `name`, for one run at a time; raises SlipwayError."""
    with _lock_file(folder, name) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SlipwayError(
                what, "another run is under way", "wait until it has ended"
            ) from None
        yield


def _lock_file(folder: Path, name: str) -> IO[str]:
    try:
        folder.mkdir(exist_ok=True)
        return (folder / f"media-{name}.lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            str(folder), f"cannot be written: {error.strerror}", "mend its permissions"
        ) from None


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _database(path)
    except sqlite3.DatabaseError as error:
        if not getattr(error, "sqlite_errorname", "SQLITE_CORRUPT").startswith(DAMAGED):
            what = f"cannot be used: {error}"
            raise SlipwayError(str(path), what, "end what else uses it, or make room") from None
        # Damaged, or of another kind: nothing in it is needed.
        path.unlink(missing_ok=True)
        Path(f"{path}-journal").unlink(missing_ok=True)
        return _database(path)


def _database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(os.fspath(path), check_same_thread=False)
    database.executescript(SCHEMA)
    database.execute("select name, size, mtime, ctime, inode, etags from files limit 1")
    database.execute("select upload, part_size, started, inode from pending limit 1")
    # Also what is damaged further inside; 0.2 s for a million files.
    if database.execute("pragma quick_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError
    return database
