"""Prove that content is the same on both sides: by ETags, or else by reading it back."""

import time

from slipway.objects.bucket import Bucket, DamagedError
from slipway.sync import etags
from slipway.sync.crew import Crew, Gang, Tick
from slipway.sync.memory import Memory
from slipway.sync.reading import FileChanged, etags_of
from slipway.sync.scan import File
from slipway.sync.tally import Tally

HASH_THREADS = 4


def prove(bucket: Bucket, name: str, part_size: int, etag: str, answered: str) -> None:
    """Raise DamagedError unless the content that arrived has the ETag `etag`.

    Servers that encrypt with keys of their own answer with an ETag that is no MD5; there the
    object is read back.
    """
    if answered != etag and etags.of_chunks(bucket.read(name), part_size) != etag:
        raise DamagedError(name, "arrived with other content", "run it again")


def unequal(
    doubtful: list[tuple[File, str]], memory: Memory, tally: Tally, tick: Tick
) -> list[File]:
    """Read files and return those whose content does not have the given ETag."""
    differ: list[File] = []

    def look(doubt: tuple[File, str]) -> None:
        file, etag = doubt
        try:
            if not has_etag(file, etag, memory):
                differ.append(file)
        except OSError as error:
            tally.failed(file.name, error.strerror or str(error))
        tally.advance(file.stamp.size)

    Crew().run(Gang(doubtful, look, HASH_THREADS), tick=tick)
    return differ


def has_etag(file: File, etag: str, memory: Memory) -> bool:
    """Tell whether a file's content has an ETag, and remember it then; raises OSError."""
    part_sizes = etags.possible_part_sizes(etag, file.stamp.size)
    if not part_sizes:
        return False
    read = time.time_ns()
    try:
        stamp, found = etags_of(file.path, part_sizes)
    except FileChanged:
        return False
    if etag in found:
        memory.learn(file.name, stamp, etag, read=read)
    return etag in found
