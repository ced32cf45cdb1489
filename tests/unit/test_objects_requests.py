import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from slipway.dsn import S3Dsn
from slipway.errors import StorageError
from slipway.objects import wire
from slipway.objects.pool import Counter, Pool
from slipway.objects.requests import Requests
from slipway.objects.wire import Answer, BrokenAnswer, Place
from slipway.secrets import Secret

DSN = S3Dsn("key", Secret("hidden"), "media", "eu-central-1", "http://s3.example.com")
GOOD = Answer(200, {}, b"here")
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
Scene = Answer | OSError


class Observed:
    """Count signs of strain."""

    strains = 0

    def answered(self, took: float, size: int) -> None:
        pass

    def strained(self) -> None:
        self.strains += 1


class Scripted(Pool):
    """Give answers from a list."""

    def __init__(self, *scenes: Scene) -> None:
        super().__init__(Place("s3.example.com", 443, None), Counter())
        self.scenes = list(scenes)
        self.heads: list[bytes] = []
        requests = Requests(DSN, Counter())
        requests.pool = self
        self.ask = requests.ask

    def exchange(self, head: bytes, *_: object, **__: object) -> Answer:
        self.heads.append(head)
        scene = self.scenes.pop(0)
        if isinstance(scene, OSError):
            raise scene
        self._answered = True
        return scene


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(code, headers, body)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let waiting take no time, and note it."""
    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda pause: now.__setitem__(0, now[0] + pause))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_busy_servers_are_asked_again_and_the_observer_hears_of_it() -> None:
    scripted = Scripted(status(503), status(500), status(429), GOOD)
    observer = scripted.observer = Observed()
    assert scripted.ask("GET", "", {}) == "here"
    assert observer.strains == 2


def test_a_server_that_goes_away_is_waited_for(clock: list[float]) -> None:
    scripted = Scripted(GOOD, *[ConnectionRefusedError("refused")] * 9, BrokenAnswer("cut"), GOOD)
    scripted.ask("GET", "", {})
    assert scripted.ask("GET", "", {}) == "here"
    assert 10 < clock[0] < 60


def test_waiting_ends(clock: list[float]) -> None:
    scripted = Scripted(GOOD, *[TimeoutError()] * 100)
    scripted.ask("GET", "", {})
    with pytest.raises(StorageError, match="does not answer"):
        scripted.ask("GET", "", {})
    assert 50 < clock[0] < 70
    with pytest.raises(StorageError, match="answered 503"):
        Scripted(*[status(503)] * 100).ask("GET", "", {})


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (status(403, b"<Code>AccessDenied</Code>"), "forbids this"),
        (ConnectionRefusedError("[Errno 111] Connection refused"), "refuses connections"),
        (TimeoutError("timed out"), "does not answer"),
    ],
)
def test_what_never_answered_or_refuses_is_not_asked_again(scene: Scene, words: str) -> None:
    scripted = Scripted(scene, GOOD)
    with pytest.raises(StorageError, match=words):
        scripted.ask("GET", "", {})
    assert scripted.scenes == [GOOD]


def test_a_wrong_clock_is_corrected_by_the_servers_once() -> None:
    there = datetime.now(UTC) + timedelta(days=3)
    skewed = status(403, SKEWED, date=format_datetime(there, usegmt=True))
    scripted = Scripted(skewed, GOOD, GOOD)
    assert scripted.ask("GET", "", {}) == "here"
    scripted.ask("GET", "", {})
    dates = [head.partition(b"x-amz-date: ")[2][:8].decode() for head in scripted.heads]
    assert dates[1:] == [f"{there:%Y%m%d}"] * 2
    with pytest.raises(StorageError, match="clock is wrong"):
        Scripted(skewed, skewed, GOOD).ask("GET", "", {})


def test_the_owners_certificates_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pem").write_text("one")
    (tmp_path / "b.pem").write_text("two")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "a.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "b.pem"))
    assert wire.trusted_roots() == b"one\ntwo"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert wire.trusted_roots() == b""
