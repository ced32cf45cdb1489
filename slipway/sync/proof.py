"""Prove that content is the same on both sides: by ETags, or else by reading it back."""

import threading
import time

from slipway.objects.bucket import Bucket, DamagedError
from slipway.objects.listing import Object
from slipway.sync import etags
from slipway.sync.crew import Crew, Feed, Gang, Tick
from slipway.sync.memory import Memory
from slipway.sync.plan import Names, Objects
from slipway.sync.reading import FileChanged, etags_of
from slipway.sync.tally import Tally

HASH_THREADS = 4


def prove(bucket: Bucket, name: str, part_size: int, etag: str, answered: str) -> None:
    """Raise DamagedError unless the content that arrived has the ETag `etag`.

    Servers that encrypt with keys of their own answer with an ETag that is no MD5; there the
    object is read back.
    """
    if answered != etag and etags.of_chunks(bucket.read(name), part_size) != etag:
        raise DamagedError(name, "arrived with other content", "run it again")


def unequal(folder: str, doubtful: Objects, memory: Memory, tally: Tally, tick: Tick) -> Names:
    """Read the files of objects that are as large, and return those of other content."""
    differ, lock = Names(), threading.Lock()

    def look(there: Object) -> None:
        try:
            if not is_equal(folder, there, memory):
                with lock:
                    differ.add(there.name, there.size)
        except OSError as error:
            tally.failed(there.name, error.strerror or str(error))
        tally.advance(there.size)

    Crew().run(Gang(Feed(doubtful, len(doubtful)), look, HASH_THREADS), tick=tick)
    return differ


def is_equal(folder: str, there: Object, memory: Memory) -> bool:
    """Tell whether a file's content has an object's ETag, and remember it then; raises OSError."""
    part_sizes = etags.possible_part_sizes(there.etag, there.size)
    if not part_sizes:
        return False
    read = time.time_ns()
    try:
        stamp, found = etags_of(f"{folder}/{there.name}", part_sizes)
    except FileChanged:
        return False
    if there.etag in found:
        memory.learn(there.name, stamp, there.etag, read=read)
    return there.etag in found
