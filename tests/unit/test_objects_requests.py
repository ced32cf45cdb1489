import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from slipway.dsn import S3Dsn
from slipway.dsn_az import AzDsn
from slipway.errors import StorageError
from slipway.objects import azure_requests, pool, wire
from slipway.objects.pool import Counter, Pool
from slipway.objects.requests import Requests
from slipway.objects.wire import Answer, BrokenAnswer, Place
from slipway.secrets import Secret

DSN = S3Dsn("key", Secret("hidden"), "media", "eu-central-1", "http://s3.example.com")
AZURE = AzDsn("me", Secret("a2V5"), "media", "http://127.0.0.1:1/me", "test")
PLACE = Place("s3.example.com", 443, None)
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
        super().__init__(PLACE, Counter())
        self.scenes = list(scenes)
        self.heads: list[bytes] = []
        requests = Requests(DSN, Counter())
        requests.pool = self
        self.ask, self.send = requests.ask, requests.send

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


@pytest.mark.parametrize("before", [status(503), BrokenAnswer("cut")])
def test_an_answer_tells_whether_its_request_was_sent_before(before: Scene) -> None:
    scripted = Scripted(GOOD, before, GOOD)
    assert [scripted.send("GET", "", {}).repeated for _ in range(2)] == [False, True]


def test_a_server_that_goes_away_is_waited_for(clock: list[float]) -> None:
    scripted = Scripted(GOOD, *[ConnectionRefusedError("refused")] * 9, BrokenAnswer("cut"), GOOD)
    scripted.ask("GET", "", {})
    assert scripted.ask("GET", "", {}) == "here"
    assert 10 < clock[0] < 60


def test_a_request_without_an_answer_is_made_once_more(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence(scripted: Scripted, *_: object, **__: object) -> Answer:
        scene = scripted.scenes.pop(0)
        if isinstance(scene, OSError):
            clock[0] += wire.SILENCE_SECONDS
            raise scene
        scripted._answered = True
        return scene

    monkeypatch.setattr(Scripted, "exchange", silence)
    scripted = Scripted(GOOD, TimeoutError(), GOOD, *[TimeoutError()] * 3)
    observer = scripted.observer = Observed()
    assert [scripted.ask("GET", "", {}) for _ in range(2)] == ["here"] * 2
    assert observer.strains == 1
    with pytest.raises(StorageError, match="does not answer"):
        scripted.ask("GET", "", {})
    assert len(scripted.scenes) == 1


class Line:
    """Stand for a connection: what was used before has a fault by now."""

    fault: OSError | None = None

    def __init__(self, _: Place) -> None:
        self.used, self.open = False, True

    def exchange(self, *_: bytes, **__: bool) -> Answer:
        if self.used and Line.fault:
            raise Line.fault
        self.used = True
        return GOOD

    def close(self) -> None:
        self.open = False


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    monkeypatch.setattr(pool, "Wire", Line)
    lines = [Line(PLACE) for _ in range(3)]
    for line in lines:
        line.exchange()
    return lines


def test_a_connection_that_ended_while_it_was_idle_is_made_anew(
    idle: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Pool(PLACE, Counter())
    there._idle.extend(idle)  # type: ignore[arg-type]
    monkeypatch.setattr(Line, "fault", BrokenAnswer("cut"))
    assert there.exchange(b"", b"") == GOOD._replace(repeated=True)
    assert there.counter.value == 4


def test_after_silence_the_connections_that_were_idle_are_not_tried(
    idle: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Pool(PLACE, Counter())
    there._idle.extend(idle)  # type: ignore[arg-type]
    monkeypatch.setattr(Line, "fault", TimeoutError())
    with pytest.raises(TimeoutError):
        there.exchange(b"", b"")
    assert there.exchange(b"", b"") == GOOD
    assert [line.open for line in idle[:2]] == [False, False]


def test_waiting_ends(clock: list[float]) -> None:
    scripted = Scripted(GOOD, *[ConnectionRefusedError("refused")] * 100)
    scripted.ask("GET", "", {})
    with pytest.raises(StorageError, match="refuses connections"):
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


class Punctual(Pool):
    """Refuse the date of another day; two requests that have it come at once."""

    def __init__(self, there: datetime) -> None:
        super().__init__(PLACE, Counter())
        self.there = there
        self.both = threading.Barrier(2, timeout=5)

    def exchange(self, head: bytes, *_: object, **__: object) -> Answer:
        if any(f"{self.there:{form}}".encode() in head for form in ("%Y%m%dT", "%d %b %Y")):
            return GOOD
        self.both.wait()
        return status(403, SKEWED, date=format_datetime(self.there, usegmt=True))


@pytest.mark.parametrize(
    "requests", [Requests(DSN, Counter()), azure_requests.Requests(AZURE, Counter())]
)
def test_a_wrong_clock_is_corrected_for_requests_that_were_under_way_together(
    requests: Requests | azure_requests.Requests,
) -> None:
    requests.pool = Punctual(datetime.now(UTC) + timedelta(days=3))
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda name: requests.send("GET", name, {}).status, "ab"))
    assert found == [200, 200]


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
