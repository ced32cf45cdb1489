import pytest

from slipway.errors import StorageError
from slipway.storage import reading


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE", -1.0)


@pytest.mark.parametrize("status", [401, 403])
def test_the_public_is_refused(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(reading, "_get", lambda _: (status, b""))
    reading.refused("http://h/shop", "anybody may list the bucket")


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, "anybody may list"), (0, "does not answer"), (503, "answers 503 where it should")],
)
def test_no_answer_is_no_refusal(monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
    monkeypatch.setattr(reading, "_get", lambda _: (status, b""))
    with pytest.raises(StorageError, match=said):
        reading.refused("http://h/shop", "anybody may list the bucket")
