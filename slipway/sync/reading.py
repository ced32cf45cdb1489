"""Read files so that what is read is one state of them, never a mixture."""

import os
from pathlib import Path

from slipway.sync.scan import Stamp


class FileChanged(Exception):
    """Tell that a file was written to while it was read."""


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


def stamp_of(path: str) -> Stamp:
    """Return the stamp that a file bears now; raises OSError."""
    return Stamp.of(Path(path).stat())
