"""Read files so that what is read is one state of them, never a mixture."""

import os
from pathlib import Path

from slipway.sync.scan import Stamp


class FileChanged(Exception):
    """Tell that a file was written to while it was read."""


def whole(path: str) -> tuple[bytes, Stamp]:
    """Read a file whole; raises FileChanged, OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        stamp = Stamp.of(os.fstat(handle))
        body = os.read(handle, stamp.size + 1)
        if len(body) < stamp.size:
            body = _rest(handle, body, stamp.size + 1)
        if len(body) != stamp.size or Stamp.of(os.fstat(handle)) != stamp:
            raise FileChanged
        return body, stamp
    finally:
        os.close(handle)


def section(path: str, begin: int, size: int, stamp: Stamp) -> bytes:
    """Read a part of a file that still bears `stamp`; raises FileChanged, OSError."""
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


def _rest(handle: int, body: bytes, size: int) -> bytes:
    pieces, held = [body], len(body)
    while held < size and (piece := os.read(handle, size - held)):
        pieces.append(piece)
        held += len(piece)
    return b"".join(pieces)
