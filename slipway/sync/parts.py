"""Send large files in parts: many at once, resumed where an earlier run was stopped.

Nothing of a file is visible before its last part has arrived; a file that changes meanwhile
is begun again, so that no mixture is ever completed.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from slipway.errors import StorageError
from slipway.objects.bucket import Bucket, DamagedError, Meta, ObjectError
from slipway.objects.listing import Part
from slipway.sync import etags
from slipway.sync.crew import Gang, Stopped
from slipway.sync.memory import Memory, Upload
from slipway.sync.proof import prove
from slipway.sync.reading import FileChanged, etags_of, section, stamp_of
from slipway.sync.scan import Stamp
from slipway.sync.tally import Tally

TRIES = 3
CLOCKS_DIFFER = 60.0  # s
Note = Callable[[str, str], None]


class Begin(NamedTuple):
    """Ask for a file to be begun, for the first time or again."""

    name: str
    attempt: int = 1


@dataclass
class Job:
    """Hold a file under way."""

    begin: Begin
    upload: Upload
    arrived: dict[int, Part]
    read: int  # when its reading began (Unix, ns)
    digests: dict[int, bytes] = field(default_factory=dict)
    answered: dict[int, str] = field(default_factory=dict)
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        """Return the number of parts."""
        return -(-self.upload.stamp.size // self.upload.part_size)

    @property
    def etag(self) -> str:
        """Return the ETag that the whole must have."""
        joined = b"".join(self.digests[number] for number in range(1, self.count + 1))
        return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{self.count}"


class PartOf(NamedTuple):
    """Ask for a part of a file to be sent."""

    job: Job
    number: int


def discard(bucket: Bucket, memory: Memory, upload: Upload) -> None:
    """Abort an upload that an earlier run began; raises StorageError.

    One whose identity nobody learnt is known by its name and the time at which it began.
    """
    found = [upload.upload] if upload.upload else []
    if not found:
        for left in bucket.unfinished(upload.name):
            if abs(left.initiated.timestamp() - upload.started) < CLOCKS_DIFFER:
                found.append(left.upload)
    for identity in found:
        bucket.abort(upload.name, identity)
    memory.end_upload(upload.name)


class Parts:
    """Send large files and tell a Tally about it."""

    def __init__(
        self,
        folder: str,
        bucket: Bucket,
        memory: Memory,
        tally: Tally,
        meta_of: Callable[[str], Meta],
        note: Note,
        stop: threading.Event,
    ) -> None:
        self._folder = folder
        self._bucket = bucket
        self._memory = memory
        self._tally = tally
        self._meta_of = meta_of
        self._note = note
        self._stop = stop

    def gang(self, files: list["Begin | PartOf"], threads: int) -> Gang["Begin | PartOf"]:
        """Return the work, for a Crew."""
        self._gang = Gang(files, self._work, threads)
        return self._gang

    def add(self, name: str) -> None:
        """Take one more file while the work is under way."""
        self._gang.items.add(Begin(name))

    def _work(self, item: "Begin | PartOf") -> None:
        try:
            if isinstance(item, Begin):
                self._begin(item)
            else:
                self._send(item)
        except (FileChanged, DamagedError) as error:
            self._again(item, error)
        except ObjectError as error:
            self._failed(item, error.what)
        except OSError as error:
            self._failed(item, error.strerror or str(error))

    def _begin(self, begin: Begin) -> None:
        stamp = stamp_of(f"{self._folder}/{begin.name}")
        if not stamp.size:  # it was large: whoever emptied it is about to write
            raise FileChanged("was emptied meanwhile")
        part_size = etags.our_part_size(stamp.size) or etags.PART
        earlier = self._memory.upload(begin.name)
        arrived: dict[int, Part] = {}
        if earlier and (earlier.stamp, earlier.part_size) == (stamp, part_size) and earlier.upload:
            arrived = self._bucket.parts(begin.name, earlier.upload)
        if earlier and not arrived:
            with suppress(StorageError):  # parts that stay cost room, not this run
                discard(self._bucket, self._memory, earlier)
        upload = earlier if earlier and arrived else self._new(begin.name, stamp, part_size)
        job = Job(begin, upload, arrived, time.time_ns())
        for number in range(job.count, 0, -1):
            self._gang.items.add(PartOf(job, number))

    def _new(self, name: str, stamp: Stamp, part_size: int) -> Upload:
        upload = Upload(name, "", part_size, time.time(), stamp)
        # Before it begins: whoever is killed right after must find it again.
        self._memory.begin_upload(upload)
        meta = self._meta_of(name)._replace(mtime=stamp.mtime)
        upload = upload._replace(upload=self._bucket.begin(name, meta))
        self._memory.begin_upload(upload)
        return upload

    def _send(self, part: PartOf) -> None:
        job, number = part
        if self._stop.is_set():
            raise Stopped
        if job.over:
            return
        upload = job.upload
        begin = (number - 1) * upload.part_size
        size = min(upload.part_size, upload.stamp.size - begin)
        body = section(f"{self._folder}/{upload.name}", begin, size, upload.stamp)
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        there = job.arrived.get(number)
        if there == Part(size, md5.hex()):
            answered = there.etag
            self._tally.spared(size)
        else:
            answered = self._bucket.put_part(upload.name, upload.upload, number, body, md5)
            self._tally.advance(size)
        with job.lock:
            job.digests[number], job.answered[number] = md5, answered
            last = len(job.answered) == job.count
        if last:
            self._complete(job)

    def _complete(self, job: Job) -> None:
        upload = job.upload
        if stamp_of(f"{self._folder}/{upload.name}") != upload.stamp:
            raise FileChanged
        parts = [job.answered[number] for number in range(1, job.count + 1)]
        self._note(upload.name, job.etag)
        answered = self._bucket.complete(upload.name, upload.upload, parts)
        if answered != job.etag:
            self._note(upload.name, answered)
        self._memory.end_upload(upload.name)
        if self._is_whole(upload, answered):
            answered = job.etag
        prove(self._bucket, upload.name, upload.part_size, job.etag, answered)
        self._memory.learn(upload.name, upload.stamp, job.etag, answered, read=job.read)
        self._tally.arrived(upload.stamp.size)

    def _is_whole(self, upload: Upload, answered: str) -> bool:
        """Tell whether an ETag is the MD5 of the whole: so a host tells what arrived before."""
        if "-" in answered:
            return False
        stamp, found = etags_of(f"{self._folder}/{upload.name}", [etags.WHOLE])
        return stamp == upload.stamp and answered in found

    def _again(self, item: "Begin | PartOf", error: FileChanged | DamagedError) -> None:
        begin = item if isinstance(item, Begin) else item.job.begin
        if begin.attempt < TRIES:
            if self._give_up(item):
                self._gang.items.add(Begin(begin.name, begin.attempt + 1))
            return
        what = error.what if isinstance(error, DamagedError) else str(error)
        self._failed(item, what)

    def _failed(self, item: "Begin | PartOf", reason: str) -> None:
        if self._give_up(item):
            name = item.name if isinstance(item, Begin) else item.job.begin.name
            self._tally.failed(name, reason)

    def _give_up(self, item: "Begin | PartOf") -> bool:
        """Abort the upload; tell whether this was not done for another of its parts before."""
        if isinstance(item, Begin):
            return True
        job = item.job
        with job.lock:
            if job.over:
                return False
            job.over = True
        self._tally.advance(-sum(
            min(job.upload.part_size, job.upload.stamp.size - (number - 1) * job.upload.part_size)
            for number in job.answered
        ))  # fmt: skip
        self._bucket.abort(job.upload.name, job.upload.upload)
        self._memory.end_upload(job.upload.name)
        return True
