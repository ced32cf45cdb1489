import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from slipway.relay import LOOPBACK, Relay


@contextmanager
def server(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Read until the other side has finished, then answer."""
    asked: list[bytes] = []
    listener = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(b"".join(iter(lambda: connection.recv(4096), b"")))
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        yield listener.getsockname()[1], asked
        thread.join(5)


def test_bytes_pass_both_ways_and_those_that_come_back_are_counted() -> None:
    answer = b"x" * 300_000
    with server(answer) as (port, asked), Relay(port) as relay:
        with socket.create_connection((LOOPBACK, relay.port), 5) as connection:
            connection.sendall(b"question")
            connection.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: connection.recv(65536), b""))
        assert got == answer
        assert relay.bytes_sent == len(answer)
    assert asked == [b"question"]


def test_a_target_that_is_gone_closes_the_connection() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        free = listener.getsockname()[1]
    with Relay(free) as relay, socket.create_connection((LOOPBACK, relay.port), 5) as connection:
        assert connection.recv(1) == b""
        assert relay.bytes_sent == 0


def test_nobody_can_connect_once_the_relay_is_closed() -> None:
    with Relay(1) as relay:
        port = relay.port
    with socket.socket() as probe:
        assert probe.connect_ex((LOOPBACK, port)) != 0


def test_it_listens_on_the_loopback_interface_only() -> None:
    with Relay(1) as relay:
        assert relay.server_address[0] == LOOPBACK
