"""Compute the ETags that S3 gives to content, sent whole or in parts (pure but for reading).

Sent whole, the ETag is the MD5 of the content; in parts, the MD5 of the parts' MD5s and
their number.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import IO

MEBIBYTE = 1024 * 1024
WHOLE = 0  # as a part size: not in parts at all
PART = 16 * MEBIBYTE
FOREIGN_PARTS = (8 * MEBIBYTE,)  # boto3, and so the deployed site
MOST_PARTS = 10_000  # the limit of S3
CHUNK = MEBIBYTE


class Digest:
    """Compute an ETag from content that comes in chunks."""

    def __init__(self, part_size: int) -> None:
        self._part_size = part_size
        self._part = _md5()
        self._filled = 0
        self._done: list[bytes] = []

    def update(self, data: bytes | memoryview) -> None:
        """Take the next chunk."""
        rest = memoryview(data)
        while self._part_size and self._filled + len(rest) > self._part_size:
            room = self._part_size - self._filled
            self._part.update(rest[:room])
            self._close()
            rest = rest[room:]
        self._part.update(rest)
        self._filled += len(rest)

    def etag(self) -> str:
        """Return the ETag of everything taken so far."""
        if not self._part_size:
            return self._part.hexdigest()
        if self._filled or not self._done:
            self._close()
        return f"{_md5(b''.join(self._done)).hexdigest()}-{len(self._done)}"

    def _close(self) -> None:
        self._done.append(self._part.digest())
        self._part = _md5()
        self._filled = 0


def of_chunks(chunks: Iterable[bytes], part_size: int) -> str:
    """Return the ETag of content sent in parts of `part_size` bytes (WHOLE: in one)."""
    digest = Digest(part_size)
    for chunk in chunks:
        digest.update(chunk)
    return digest.etag()


def of_bytes(body: bytes) -> str:
    """Return the ETag of content sent whole."""
    return _md5(body).hexdigest()


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file, a chunk at a time."""
    return iter(lambda: file.read(CHUNK), b"")


def our_part_size(size: int) -> int:
    """Return in which parts this program sends a file of `size` bytes (WHOLE: in one)."""
    if size <= PART:
        return WHOLE
    least = -(-size // MOST_PARTS)
    return max(PART, -(-least // MEBIBYTE) * MEBIBYTE)


def possible_part_sizes(etag: str, size: int) -> list[int]:
    """Return the part sizes by which content of `size` bytes may have got this ETag."""
    count = etag.rpartition("-")[2] if "-" in etag else ""
    if not count:
        return [WHOLE]
    ours = our_part_size(size) or PART
    return [part for part in (ours, *FOREIGN_PARTS) if str(max(1, -(-size // part))) == count]


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)
