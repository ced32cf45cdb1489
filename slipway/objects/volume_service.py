"""Serve a folder of media over standard input and output, in requests and answers.

This module runs on the host, with the Python that is there and nothing else: it may import the
standard library, and its neighbours volume_*.py that go the same way.

A request is a head (number, length of JSON, length of body: big-endian, 32 bits each), the JSON
and the body; so is an answer.
"""

import errno
import json
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from slipway.objects.volume_arrivals import Arrivals
from slipway.objects.volume_files import Refused, Reply, Request

HEAD = struct.Struct(">III")
THREADS = 8
OPERATIONS = {
    "page", "look", "get", "put", "begin", "part", "parts", "complete", "abort", "unfinished",
    "copy", "delete",
}  # fmt: skip


class Service:
    """Answer requests in the order in which they are done."""

    def __init__(self) -> None:
        self.source = sys.stdin.buffer
        self.sink = sys.stdout.buffer
        self.lock = threading.Lock()

    def run(self) -> None:
        """Serve until standard input ends."""
        hello = self.receive()
        if hello is None:
            return
        number, request, _ = hello
        try:
            media = Arrivals(request["root"], request["cache"])
        except OSError as error:
            self.answer(number, *failure(error))
            return
        self.answer(number, {}, b"")
        with ThreadPoolExecutor(THREADS) as pool:
            while (received := self.receive()) is not None:
                pool.submit(self.serve, media, *received)

    def serve(self, media: Arrivals, number: int, request: Request, body: bytes) -> None:
        """Do what a request asks, and answer."""
        try:
            if request["do"] not in OPERATIONS:
                raise Refused("refused", "is not known here")
            operation: Callable[[Request, bytes], Reply] = getattr(media, request["do"])
            reply = operation(request, body)
        except Exception as error:  # whoever asked waits for an answer
            reply = failure(error)
        self.answer(number, *reply)

    def receive(self) -> "tuple[int, Request, bytes] | None":
        """Read a request; None at the end."""
        head = self.source.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        number, length, size = HEAD.unpack(head)
        request, body = self.source.read(length), self.source.read(size)
        if len(request) + len(body) < length + size:
            return None
        return number, json.loads(request), body

    def answer(self, number: int, fields: Request, body: bytes) -> None:
        """Write an answer."""
        text = json.dumps(fields).encode()
        with self.lock, suppress(BrokenPipeError):
            self.sink.write(HEAD.pack(number, len(text), len(body)) + text)
            self.sink.write(body)
            self.sink.flush()


def failure(error: Exception) -> Reply:
    """Return the answer that says why nothing was done."""
    if isinstance(error, Refused):
        return {"error": error.code, "what": error.what}, b""
    full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    what = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return {"error": "full" if full else "refused", "what": what}, b""


def main() -> None:
    """Serve until standard input ends."""
    Service().run()
