"""Speak HTTP/1.1 over one kept connection, with as little work for a request as possible.

The libraries spend more on a small object than the server does; here it is a write and a read.
Source: RFC 9112, "HTTP/1.1".
"""

import os
import re
import socket
import ssl
from pathlib import Path
from typing import NamedTuple

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # also for a part of 16 MiB on a thin line shared by others
JOINED = 64 * 1024  # bytes up to which head and body leave in one write
SLICE = 256 * 1024
PAGE = 256 * 1024
FIELD = re.compile(r"\r\n([^:\r\n]*):?[ \t]*([^\r\n]*)")


class Answer(NamedTuple):
    """Hold an answer; names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes
    repeated: bool = False  # its request was sent before, and may have been carried out then

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode("utf-8", "replace")


class BrokenAnswer(OSError):
    """Say that a connection ended, or spoke something else, before an answer was whole."""


class Place(NamedTuple):
    """Hold where a server is."""

    host: str
    port: int
    tls: ssl.SSLContext | None


class Wire:
    """Hold one connection, for one thread at a time."""

    def __init__(self, place: Place) -> None:
        raw = socket.create_connection((place.host, place.port), CONNECT_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = place.tls.wrap_socket(raw, server_hostname=place.host) if place.tls else raw
        self._socket.settimeout(SILENCE_SECONDS)
        self._rest = b""
        self.used = False
        self.open = True

    def exchange(self, head: bytes, body: bytes, *, bodiless: bool = False) -> Answer:
        """Send a request and return the answer; raises OSError, and the connection is done then.

        `bodiless` says that the answer has no body whatever its headers say (HEAD).
        """
        try:
            refused = self._send(head, body)
            answer = self._answer(bodiless)
        except OSError:
            self.close()
            raise
        self.used = True
        if refused or answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection."""
        self.open = False
        self._socket.close()

    def _send(self, head: bytes, body: bytes) -> bool:
        """Send; a server that refuses early may close its ear and still have answered."""
        try:
            if len(body) <= JOINED:
                self._socket.sendall(head + body)
                return False
            self._socket.sendall(head)
            view = memoryview(body)
            for begin in range(0, len(body), SLICE):
                self._socket.sendall(view[begin : begin + SLICE])
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    def _answer(self, bodiless: bool) -> Answer:
        while True:
            status, headers = self._head()
            if status >= 200:
                break
        if bodiless or status in {204, 304}:
            body = b""
        elif "chunked" in headers.get("transfer-encoding", ""):
            body = self._chunked()
        elif "content-length" in headers:
            body = self._take(_number(headers["content-length"], 10))
        else:
            body = self._until_closed()
        return Answer(status, headers, body)

    def _head(self) -> tuple[int, dict[str, str]]:
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        self._rest = data[end + 4 :]
        text = data[:end].decode("latin-1")
        if not text.startswith("HTTP/1.") or not text[9:12].isdigit():
            raise BrokenAnswer("answers with something else than HTTP")
        pairs = FIELD.findall(text)
        return int(text[9:12]), {name.lower(): value.rstrip() for name, value in pairs}

    def _more(self) -> bytes:
        data = self._socket.recv(PAGE)
        if not data:
            raise BrokenAnswer("the connection ended before the answer did")
        return data

    def _take(self, count: int) -> bytes:
        if len(self._rest) >= count:
            taken, self._rest = self._rest[:count], self._rest[count:]
            return taken
        pieces, held = [self._rest], len(self._rest)
        while held < count:
            piece = self._more()
            pieces.append(piece)
            held += len(piece)
        whole = b"".join(pieces)
        self._rest = whole[count:]
        return whole[:count]

    def _chunked(self) -> bytes:
        pieces = []
        while size := _number(self._line().partition(b";")[0].decode("latin-1"), 16):
            pieces.append(self._take(size))
            self._take(2)
        while self._line():
            pass
        return b"".join(pieces)

    def _line(self) -> bytes:
        while (end := self._rest.find(b"\r\n")) < 0:
            self._rest += self._more()
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    def _until_closed(self) -> bytes:
        pieces = [self._rest]
        self._rest = b""
        while piece := self._socket.recv(PAGE):
            pieces.append(piece)
        self.close()
        return b"".join(pieces)


def _number(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise BrokenAnswer("answers with something else than HTTP") from None


def trusted_roots() -> bytes:
    """Return the certificates (PEM) that the machine's owner adds; empty where there are none."""
    paths = {os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
    found = [Path(path) for path in sorted(filter(None, paths)) if Path(path).is_file()]
    return b"\n".join(path.read_bytes() for path in found)


def trust() -> ssl.SSLContext:
    """Return what TLS trusts: the machine's roots and its owner's; raises ValueError, SSLError."""
    context = ssl.create_default_context()
    roots = trusted_roots()
    if roots:
        context.load_verify_locations(cadata=roots.decode("ascii", "ignore"))
    return context
