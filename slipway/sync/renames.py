"""Copy inside the bucket what was only renamed here."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from slipway.errors import StorageError
from slipway.objects.bucket import Bucket, Meta
from slipway.objects.listing import Object
from slipway.sync import etags
from slipway.sync.crew import Crew, Gang, Tick
from slipway.sync.memory import Memory
from slipway.sync.parts import Note
from slipway.sync.plan import Names, Wanted
from slipway.sync.reading import FileChanged, etags_of, stamp_of
from slipway.sync.scan import File
from slipway.sync.tally import Tally

THREADS = 16
LARGEST_COPY = 5 * 1024**3  # bytes, the limit of S3 for one request


@dataclass
class Alike:
    """Hold objects of one size by their ETags, and the part sizes by which they may have them."""

    objects: dict[str, Object] = field(default_factory=dict)
    part_sizes: set[int] = field(default_factory=set)


Candidate = tuple[File, Alike]


def candidates(new: Names, gone: Iterable[Object], folder: str) -> tuple[list[Candidate], Names]:
    """Part new files into those that objects without a file may hold already, and the rest."""
    sizes: dict[int, Alike] = defaultdict(Alike)
    wanted = new.sizes
    for there in gone:
        if there.size not in wanted or not 0 < there.size <= LARGEST_COPY:
            continue
        part_sizes = etags.possible_part_sizes(there.etag, there.size)
        if part_sizes:
            sizes[there.size].objects[there.etag] = there
            sizes[there.size].part_sizes.update(part_sizes)
    found: list[Candidate] = []
    rest = Names()
    for name, size in new:
        if size in sizes:
            path = f"{folder}/{name}"
            try:
                found.append((File(name, path, stamp_of(path)), sizes[size]))
                continue
            except OSError:
                pass  # whoever sends it will say why
        rest.add(name, size)
    return found, rest


class Copier:
    """Copy what can be copied; the others are to be sent."""

    def __init__(
        self, bucket: Bucket, memory: Memory, tally: Tally, meta_of: Callable[[str], Meta],
        note: Note,
    ) -> None:  # fmt: skip
        self._bucket = bucket
        self._memory = memory
        self._tally = tally
        self._meta_of = meta_of
        self._note = note
        self.copied = 0

    def run(self, found: list[Candidate], tick: Tick) -> list[Wanted]:
        """Copy objects and return the files that none of them equals, or that it failed for."""
        left: list[Wanted] = []

        def copy(candidate: Candidate) -> None:
            file, alike = candidate
            try:
                copied = self._copy(file, alike)
            except (OSError, StorageError, FileChanged):
                copied = False
            if not copied:
                left.append(Wanted(file.name, file.stamp.size))

        Crew().run(Gang(found, copy, THREADS), tick=tick)
        self.copied = len(found) - len(left)
        return left

    def _copy(self, file: File, alike: Alike) -> bool:
        read = time.time_ns()
        _, found = etags_of(file.path, alike.part_sizes)
        there = next((alike.objects[etag] for etag in found if etag in alike.objects), None)
        if there is None:
            return False
        meta = self._meta_of(file.name)._replace(mtime=file.stamp.mtime)
        self._note(file.name, there.etag)
        answered = self._bucket.copy(there, file.name, meta)
        self._note(file.name, answered)
        # What was sent in parts is whole after it was copied.
        if answered not in found and answered not in etags_of(file.path, [etags.WHOLE])[1]:
            return False
        if stamp_of(file.path) != file.stamp:
            return False
        self._memory.learn(file.name, file.stamp, answered, read=read)
        return True
