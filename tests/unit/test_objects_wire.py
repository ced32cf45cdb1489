import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slipway.objects.wire import BrokenAnswer, Place, Wire


@contextmanager
def serving(*answers: bytes) -> Iterator[Wire]:
    """Answer on a socket of its own: what was read is not looked at."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            for answer in answers:
                peer.recv(65536)
                for piece in (answer[:7], answer[7:]):
                    peer.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    wire = Wire(Place("127.0.0.1", listener.getsockname()[1], None))
    try:
        yield wire
    finally:
        wire.close()
        listener.close()
        thread.join(5)


def test_answers_follow_each_other_on_one_connection() -> None:
    first = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 5\r\n\r\nhello'
    second = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Fine\r\n\r\n"
    third = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n"
    )
    with serving(first, second, third) as wire:
        answer = wire.exchange(b"GET", b"")
        assert (answer.status, answer.headers["etag"], answer.text) == (200, '"a"', "hello")
        assert wire.exchange(b"GET", b"").status == 204
        assert wire.exchange(b"GET", b"").body == b"abcde"
        assert wire.open


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    with serving(b"HTTP/1.1 200 OK\r\n\r\nall of it") as wire:
        assert wire.exchange(b"GET", b"").body == b"all of it"
        assert not wire.open


def test_a_head_has_no_body_whatever_it_says() -> None:
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n") as wire:
        assert wire.exchange(b"HEAD", b"", bodiless=True).body == b""
        assert not wire.open


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_whole_is_none(answer: bytes) -> None:
    with serving(answer) as wire, pytest.raises(BrokenAnswer):
        wire.exchange(b"GET", b"")
    assert not wire.open
