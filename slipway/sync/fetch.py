"""Fetch objects: whole and verified beside the file, which is then replaced by one rename."""

import errno
import threading
from collections.abc import Iterable, Mapping

from slipway.errors import StorageError
from slipway.objects.bucket import Bucket, ChangedError, DamagedError, ObjectError
from slipway.objects.listing import MD5, Object
from slipway.sync import etags
from slipway.sync.crew import Crew, Gang, Stopped, Tick
from slipway.sync.landing import Arrival, Landing, arrival
from slipway.sync.memory import Memory
from slipway.sync.plan import Known
from slipway.sync.scan import Stamp
from slipway.sync.tally import Tally

THREADS = 32
LARGE_THREADS = 4
LARGE = etags.PART
TRIES = 4
PAUSE = 0.5  # s, doubled with every try
BATCH = 2_000  # files that land between two waits for the disk
FULL = {errno.ENOSPC, errno.EDQUOT}
AGAIN = "run it again"


class Doubtful(Exception):
    """Tell that content does not have what may be its MD5; whatever else arrives may tell."""

    def __init__(self, there: Object, etags_of: list[str]) -> None:
        super().__init__()
        self.there = there
        self.etags = etags_of


def has_md5s(known: Mapping[str, Known]) -> bool:
    """Tell whether ETags of this storage are MD5s: else no known file has one ETag alone."""
    alone = (next(iter(it.etags)) for it in known.values() if len(it.etags) == 1)
    return any(map(MD5.fullmatch, alone))


class Fetcher:
    """Fetch objects and tell a Tally about it."""

    def __init__(
        self, bucket: Bucket, landing: Landing, memory: Memory, tally: Tally,
        before: Mapping[str, Stamp], *, has_md5s: bool = False,
    ) -> None:  # fmt: skip
        """Take what the files that will be replaced looked like: `before`, by name.

        `has_md5s` says that ETags of this storage are known to be MD5s.
        """
        self._bucket = bucket
        self._landing = landing
        self._memory = memory
        self._tally = tally
        self._before = before
        self._has_md5s = has_md5s
        self._doubtful: list[Doubtful] = []
        self._seen: dict[str, list[str]] | None = None  # what doubtful content had, by name
        self._crew = Crew()
        self._landed: list[tuple[str, Stamp, list[str]]] = []
        self._lock = threading.Lock()

    def run(self, objects: list[Object], tick: Tick) -> None:
        """Fetch all; raises StorageError or OSError where going on makes no sense."""
        self._run(objects, tick)
        if self._doubtful:
            self._seen = {doubt.there.name: doubt.etags for doubt in self._doubtful}
            self._crew = Crew()
            self._run([doubt.there for doubt in self._doubtful], tick)

    def _run(self, objects: list[Object], tick: Tick) -> None:
        objects = sorted(objects, key=lambda there: there.size, reverse=True)
        large = [there for there in objects if there.size > LARGE]
        small = objects[len(large) :]
        self._crew.run(
            Gang(large, self._guarded, LARGE_THREADS),
            Gang(small, self._guarded, THREADS),
            tick=tick,
        )
        self._remember()

    def _remember(self) -> None:
        """Remember what landed, but only once a loss of power cannot take it away.

        A file of the right size with other content would otherwise be taken for known.
        """
        with self._lock:
            landed, self._landed = self._landed, []
        if landed:
            self._landing.settle()
        for name, stamp, etags_of in landed:
            self._memory.learn(name, stamp, *etags_of, landed=True)

    def _guarded(self, there: Object) -> None:
        try:
            self._tried(there)
        except Doubtful as doubt:
            self._doubtful.append(doubt)
        except ObjectError as error:
            self._tally.failed(there.name, error.what)
        except OSError as error:
            if error.errno in FULL:
                raise
            self._tally.failed(there.name, error.strerror or str(error))

    def _tried(self, there: Object) -> None:
        current: Object | None = there
        seen: list[str] = []
        for attempt in range(1, TRIES + 1):
            if current is None:
                raise ChangedError(there.name, "was deleted in the storage meanwhile", AGAIN)
            try:
                return self._fetch(current)
            except ChangedError:
                if attempt == TRIES:
                    raise
                current = self._bucket.look(there.name)
            except Doubtful as doubt:
                if doubt.etags == seen or attempt == TRIES:
                    raise
                seen = doubt.etags
            except DamagedError:
                if attempt == TRIES:
                    raise
            except StorageError as error:
                if isinstance(error, ObjectError) or attempt == TRIES:
                    raise
                self._pause(PAUSE * 2 ** (attempt - 1))
        return None

    def _pause(self, seconds: float) -> None:
        if self._crew.stop.wait(seconds):
            raise Stopped

    def _fetch(self, there: Object) -> None:
        resumable = there.size > LARGE
        with arrival(self._landing, there.name, there.etag) as file:
            try:
                check = self._begin(there, file, resumable=resumable)
                download = self._bucket.fetch(there.name, there.etag, file.size)
                self._receive(there, download.chunks, file, check)
                self._verify(there, check, opaque=download.opaque)
                stamp = file.land(download.modified, self._before.get(there.name))
            except BaseException as error:
                # What a cut connection or Ctrl-C leaves of a large file, the next try goes on with.
                if not resumable or isinstance(error, ObjectError | OSError | Doubtful):
                    file.discard()
                raise
        self._tally.arrived(there.size)
        with self._lock:
            self._landed.append((there.name, stamp, [there.etag, *check.etags]))
            full = len(self._landed) >= BATCH
        if full:
            self._remember()

    @staticmethod
    def _begin(there: Object, file: Arrival, *, resumable: bool) -> "Check":
        if not resumable or file.size >= there.size:
            file.restart()
        check = Check(there)
        for chunk in file.present():
            check.update(chunk)
        return check

    def _receive(
        self, there: Object, chunks: Iterable[bytes], file: Arrival, check: "Check"
    ) -> None:
        for chunk in chunks:
            if self._crew.stop.is_set():
                raise Stopped
            file.write(chunk)
            check.update(chunk)
            self._tally.advance(len(chunk))
            if file.size > there.size:
                break
        if file.size != there.size:
            raise DamagedError(there.name, "arrived with another size", AGAIN)

    def _verify(self, there: Object, check: "Check", *, opaque: bool) -> None:
        like_md5 = not opaque and MD5.fullmatch(there.etag)
        if check.passed():
            self._has_md5s = self._has_md5s or bool(like_md5)
            return
        if like_md5 and not self._has_md5s and self._seen is None:
            raise Doubtful(there, check.etags)
        # Of servers whose ETags are no MD5s: what two readings agree on is what is stored.
        if like_md5:
            if self._has_md5s or check.etags != (self._seen or {}).get(there.name):
                raise DamagedError(there.name, "arrived with other content", AGAIN)
            return
        again = Check(there)
        for chunk in self._bucket.fetch(there.name, there.etag).chunks:
            again.update(chunk)
        if again.finish() != check.etags:
            raise DamagedError(there.name, "arrived with other content", AGAIN)


class Check:
    """Compute the ETags that an object's content may have got, while it comes in."""

    def __init__(self, there: Object) -> None:
        self._wanted = there.etag
        sizes = etags.possible_part_sizes(there.etag, there.size) or [etags.WHOLE]
        self._digests = [etags.Digest(size) for size in sizes]
        self.etags: list[str] = []

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for digest in self._digests:
            digest.update(chunk)

    def finish(self) -> list[str]:
        """Return the ETags of everything taken; to be called once."""
        self.etags = [digest.etag() for digest in self._digests]
        return self.etags

    def passed(self) -> bool:
        """Tell whether the content has the ETag of the listing."""
        return self._wanted in self.finish()
