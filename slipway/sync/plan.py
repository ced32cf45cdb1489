"""Decide what is to be sent: a walk through three sorted lists at once (pure).

Nothing but names and sizes is kept of what has to be done, and nothing of the rest, so that
a million files fit into little memory.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from slipway.objects.listing import Object
from slipway.sync.scan import File, Stamp

Order = Callable[[str], str]


class Known(NamedTuple):
    """Hold which ETags the content had that a file had when it bore this stamp."""

    stamp: Stamp
    etags: frozenset[str]


class Row(NamedTuple):
    """Hold the same, flat, with blanks between the ETags."""

    name: str
    size: int
    mtime: int
    ctime: int
    inode: int
    etags: str


class Wanted(NamedTuple):
    """Hold a file that is to be sent."""

    name: str
    size: int


class Packed:
    """Hold texts and sizes, in a third of the memory that a list of them takes."""

    def __init__(self) -> None:
        self._texts = bytearray()
        self._ends = array("Q")
        self._sizes = array("Q")

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def sizes(self) -> Set[int]:
        """Return the sizes that there are."""
        return set(self._sizes)

    @property
    def size(self) -> int:
        """Return the bytes of all."""
        return sum(self._sizes)

    def _pack(self, text: str, size: int) -> None:
        self._texts += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._texts))
        self._sizes.append(size)

    def _unpacked(self) -> Iterator[tuple[str, int]]:
        begin = 0
        for end, size in zip(self._ends, self._sizes, strict=True):
            yield self._texts[begin:end].decode("utf-8", "surrogatepass"), size
            begin = end


class Names(Packed):
    """Hold names and sizes of files."""

    def __init__(self, files: Iterable[Wanted] = ()) -> None:
        super().__init__()
        for file in files:
            self.add(file.name, file.size)

    def add(self, name: str, size: int) -> None:
        """Take one more."""
        self._pack(name, size)

    def __iter__(self) -> Iterator[Wanted]:
        return map(Wanted._make, self._unpacked())


class Objects(Packed):
    """Hold objects."""

    def __init__(self, objects: Iterable[Object] = ()) -> None:
        super().__init__()
        self.extend(objects)

    def append(self, there: Object) -> None:
        """Take one more."""
        self._pack(f"{there.etag}\0{there.name}", there.size)

    def extend(self, objects: Iterable[Object]) -> None:
        """Take more."""
        for there in objects:
            self.append(there)

    def __iter__(self) -> Iterator[Object]:
        for text, size in self._unpacked():
            etag, _, name = text.partition("\0")
            yield Object(name, size, etag)


@dataclass
class Comparison:
    """Hold which files are new or differ, which must be read to know, and what has no file."""

    new: Names = field(default_factory=Names)
    send: Names = field(default_factory=Names)
    read: Objects = field(default_factory=Objects)  # of files as large, which may differ
    unchanged: int = 0
    gone: Objects = field(default_factory=Objects)
    forgotten: list[str] = field(default_factory=list)  # known of files that are not there


def compare(
    files: Iterable[File],
    objects: Iterable[Object],
    known: Iterable[Row],
    order: Order,
) -> Comparison:
    """Compare files with objects of the same name; all three come in the given order.

    A file counts as unchanged only if the ETag of the listing is one that its content is
    known to have; sizes that differ prove a change; anything else has to be read.
    """
    result = Comparison()
    there, memory = iter(objects), iter(known)
    other, row = next(there, None), next(memory, None)
    for file in files:
        place = order(file.name)
        while other is not None and order(other.name) < place:
            result.gone.append(other)
            other = next(there, None)
        while row is not None and order(row[0]) < place:
            result.forgotten.append(row[0])
            row = next(memory, None)
        match = row if row is not None and row[0] == file.name else None
        if other is not None and other.name == file.name:
            _judge(file, other, match, result)
            other = next(there, None)
        else:
            result.new.add(file.name, file.stamp.size)
        if match is not None:
            row = next(memory, None)
    if other is not None:
        result.gone.append(other)
        result.gone.extend(there)
    if row is not None:
        result.forgotten.append(row[0])
        result.forgotten.extend(rest[0] for rest in memory)
    return result


def _judge(file: File, there: Object, known: Row | None, result: Comparison) -> None:
    if there.size != file.stamp[0]:
        result.send.add(file.name, file.stamp.size)
    elif known is not None and known[1:5] == file.stamp and there.etag in known[5].split():
        result.unchanged += 1
    else:
        result.read.append(there)
