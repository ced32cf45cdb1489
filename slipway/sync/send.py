"""Send files to a bucket: read whole and settled, verified on arrival, all or nothing each."""

import hashlib
import time
from collections.abc import Callable, Iterable

from slipway.objects.bucket import Bucket, DamagedError, Meta, ObjectError
from slipway.sync import etags
from slipway.sync.crew import Budget, Crew, Feed, Gang, Stopped, Tick
from slipway.sync.memory import Memory
from slipway.sync.pacer import Pacer
from slipway.sync.parts import Begin, Note, PartOf, Parts
from slipway.sync.plan import Names, Wanted
from slipway.sync.proof import prove
from slipway.sync.reading import FileChanged, section, stamp_of
from slipway.sync.scan import Stamp
from slipway.sync.tally import Tally

PARTS_AT_ONCE = 4
IN_MEMORY = 64 * etags.MEBIBYTE
LIGHT = 64 * 1024  # bytes; as many as there are requests fit into memory
TRIES = 3
MetaOf = Callable[[str], Meta]


class Sender:
    """Send files of a folder and tell a Tally about it."""

    def __init__(
        self, folder: str, bucket: Bucket, memory: Memory, tally: Tally, meta_of: MetaOf,
        note: Note,
    ) -> None:  # fmt: skip
        """Take what is told the name and the ETag of an object before it is written: `note`."""
        self._folder = folder
        self._bucket = bucket
        self._memory = memory
        self._tally = tally
        self._meta_of = meta_of
        self._note = note
        self._crew = Crew()
        self._budget = Budget(IN_MEMORY)
        self._parts = Parts(folder, bucket, memory, tally, meta_of, note, self._crew.stop)

    def run(self, files: Iterable[Wanted], tick: Tick) -> None:
        """Send all files; raises StorageError where going on makes no sense."""
        large, small = _split(files)
        pacer = Pacer()
        self._bucket.observer = pacer
        parts = self._parts.gang(large, PARTS_AT_ONCE)
        gang = Gang(Feed(small, len(small)), self._small, lambda: pacer.limit)
        try:
            # The crew looks for work in this order, and small files may turn out to be large.
            self._crew.run(gang, parts, tick=tick)
        finally:
            self._bucket.observer = None

    def _small(self, file: Wanted) -> None:
        try:
            self._tried(file)
        except FileChanged as error:
            self._tally.failed(file.name, str(error))
        except ObjectError as error:
            self._tally.failed(file.name, error.what)
        except OSError as error:
            self._tally.failed(file.name, error.strerror or str(error))

    def _tried(self, file: Wanted) -> None:
        for attempt in range(1, TRIES + 1):
            if self._crew.stop.is_set():
                raise Stopped
            try:
                # It may have grown since it was listed, beyond what fits into memory.
                stamp = stamp_of(f"{self._folder}/{file.name}")
                if etags.our_part_size(stamp.size):
                    return self._parts.add(file.name)
                if stamp.size <= LIGHT:
                    return self._send(file, stamp)
                with self._budget.hold(stamp.size):
                    return self._send(file, stamp)
            except (FileChanged, DamagedError):
                if attempt == TRIES:
                    raise
        return None

    def _send(self, file: Wanted, stamp: Stamp) -> None:
        read = time.time_ns()
        body = section(f"{self._folder}/{file.name}", 0, stamp.size, stamp)
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        meta = self._meta_of(file.name)._replace(mtime=stamp.mtime)
        self._note(file.name, md5.hex())
        answered = self._bucket.put(file.name, body, meta, md5)
        if answered != md5.hex():
            self._note(file.name, answered)
        self._tally.advance(file.size)
        prove(self._bucket, file.name, etags.WHOLE, md5.hex(), answered)
        self._memory.learn(file.name, stamp, md5.hex(), answered, read=read)
        self._tally.arrived(stamp.size)


def _split(files: Iterable[Wanted]) -> tuple[list[Begin | PartOf], Names]:
    large: list[Begin | PartOf] = []
    small = Names()
    for file in files:
        if etags.our_part_size(file.size):
            large.append(Begin(file.name))
        else:
            small.add(file.name, file.size)
    return large, small
