"""Describe what the flows need of an object storage, whichever it is."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from slipway.errors import StorageError
from slipway.objects.listing import Object, Part, Unfinished
from slipway.objects.pool import Observer
from slipway.objects.shards import Listing


class ObjectError(StorageError):
    """Say that the storage refuses one object; others may go on."""


class DamagedError(ObjectError):
    """Say that other bytes arrived than were sent; sending again helps."""


class ChangedError(ObjectError):
    """Say that an object is not the one of the listing any more; looking again helps."""


class Download(NamedTuple):
    """Hold an object on its way: when its content changed (Unix time, ns), and its bytes.

    The bytes are those that are stored, whatever Content-Encoding says of them.
    """

    modified: int
    chunks: Iterator[bytes]
    opaque: bool = False  # the storage says that this object's ETag is no hash of the content


class Meta(NamedTuple):
    """Hold what is kept beside an object's content; empty texts and 0 are left out."""

    content_type: str
    cache_control: str = ""
    mtime: int = 0  # ns since 1970, of the file that it came from


class Bucket(Protocol):
    """Describe an object storage; every method may raise StorageError, from any thread."""

    observer: Observer | None

    @property
    def label(self) -> str:
        """Name the bucket for people."""

    @property
    def requests(self) -> int:
        """Return how many requests were made so far."""

    def refuses(self, name: str) -> str:
        """Say why a name cannot be sent unchanged, or return an empty text."""

    def listing(self, seeds: Sequence[str] | None = ()) -> Listing:
        """List every object under the prefix, in an order that the answer names.

        `seeds` are names at which the listing may be cut to be made in parallel; None asks for
        all objects to be sorted here, since the storage turned out to list them in no order.
        """

    def put(self, name: str, body: bytes, meta: Meta, md5: bytes) -> str:
        """Write an object in one request, compared with `md5` on arrival; return its ETag."""

    def begin(self, name: str, meta: Meta) -> str:
        """Begin an upload in parts, of which nothing is visible; return its identity."""

    def put_part(self, name: str, upload: str, number: int, body: bytes, md5: bytes) -> str:
        """Write part `number` (from 1), compared with `md5` on arrival; return its ETag."""

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that have arrived; none where the upload is not known any more."""

    def complete(self, name: str, upload: str, parts: Sequence[str]) -> str:
        """Make an object of the parts with these ETags and return its ETag."""

    def abort(self, name: str, upload: str) -> None:
        """Remove the parts of an unfinished upload; one that is not there is no error."""

    def unfinished(self, name: str) -> Iterator[Unfinished]:
        """List the uploads in parts of an object that nobody finished."""

    def copy(self, source: Object, name: str, meta: Meta) -> str:
        """Copy an object, if it still has the ETag of `source`; return the copy's ETag."""

    def delete(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Delete objects; yield name and reason of each that could not be."""

    def read(self, name: str) -> Iterator[bytes]:
        """Read an object, a chunk at a time."""

    def fetch(self, name: str, etag: str, offset: int = 0) -> Download:
        """Begin to read the object that has this ETag, from `offset` bytes on.

        Raises ChangedError where it has another one by now.
        """

    def look(self, name: str) -> Object | None:
        """Return what a listing would tell of an object."""
