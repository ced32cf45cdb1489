import socket
from threading import Thread

import pytest

from slipway.errors import StorageError
from slipway.storage import reading


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE", -1.0)


def answers(status: int) -> reading.Get:
    return lambda _: (status, b"")


@pytest.mark.parametrize("status", [401, 403])
def test_the_public_is_refused(status: int) -> None:
    reading.refused("http://h/shop", "anybody may list the bucket", get=answers(status))


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, "anybody may list"), (0, "does not answer"), (503, "answers 503 where it should")],
)
def test_no_answer_is_no_refusal(status: int, said: str) -> None:
    with pytest.raises(StorageError, match=said):
        reading.refused("http://h/shop", "anybody may list the bucket", get=answers(status))


def test_a_file_that_cannot_be_read_back_is_told() -> None:
    with pytest.raises(StorageError, match=r"cannot be read back \(404\)"):
        reading.read_back("http://h/shop/a", b"words", answers(404))


def test_a_server_that_hangs_up_gives_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        port = server.getsockname()[1]
        assert reading.get(f"http://127.0.0.1:{port}/a") == (0, b"")
