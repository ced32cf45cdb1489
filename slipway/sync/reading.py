"""Read files so that what is read is one state of them, never a mixture."""

import os
from collections.abc import Iterable
from pathlib import Path

from slipway.sync import etags
from slipway.sync.scan import Stamp


class FileChanged(Exception):
    """Tell that a file was written to while it was read."""

    def __init__(self, what: str = "is being written to") -> None:
        super().__init__(what)


def section(path: str, begin: int, size: int, stamp: Stamp) -> bytes:
    """Read some or all of a file that still bears `stamp`; raises FileChanged, OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        body = os.pread(handle, size, begin)
        while len(body) < size and (more := os.pread(handle, size, begin + len(body))):
            body = (body + more)[:size]
        if len(body) != size or Stamp.of(os.fstat(handle)) != stamp:
            raise FileChanged
        return body
    finally:
        os.close(handle)


def etags_of(path: str, part_sizes: Iterable[int]) -> tuple[Stamp, list[str]]:
    """Read a file once and return its stamp, and the ETags of its content by part size.

    Raises FileChanged, OSError.
    """
    digests = [etags.Digest(size) for size in part_sizes]
    with Path(path).open("rb", buffering=0) as source:
        stamp = Stamp.of(os.fstat(source.fileno()))
        for chunk in etags.chunks_of(source):
            for digest in digests:
                digest.update(chunk)
        if Stamp.of(os.fstat(source.fileno())) != stamp:
            raise FileChanged
    return stamp, [digest.etag() for digest in digests]


def stamp_of(path: str) -> Stamp:
    """Return the stamp that a file bears now; raises OSError."""
    # A Path for each of many files would cost three times as much as the question.
    return Stamp.of(os.stat(path))  # noqa: PTH116
