"""The program that runs on a host, tried in this process on a folder."""

import hashlib
import json
import os
import shlex
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from slipway.command import Command, Shell
from slipway.errors import HostError
from slipway.objects.bucket import Meta, ObjectError
from slipway.objects.volume import RUN, START, Broken, Place, VolumeBucket, _upload
from slipway.objects.volume_arrivals import Arrivals, copied
from slipway.objects.volume_files import Refused
from slipway.objects.volume_service import failure
from slipway.settings.hosts import Host
from slipway.sync.crew import beside


@pytest.fixture
def media(tmp_path: Path) -> Arrivals:
    (tmp_path / "data").mkdir()
    return Arrivals(str(tmp_path / "data" / "media"), str(tmp_path / "cache.sqlite"))


def put(media: Arrivals, name: str, body: bytes, **more: Any) -> None:
    fields = {"name": name, "mtime": 0, "md5": hashlib.md5(body).hexdigest(), **more}
    media.put(fields, body)


def test_no_name_leads_out_of_the_folder(media: Arrivals, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "data" / "media" / "way").symlink_to(outside)
    names = ["../up", "/etc/passwd", "a/../../up", "", "a//b", "way/in", ".slipway-x", "nul\0"]
    for name in [*names, ".slipway-incoming/x"]:
        with pytest.raises(Refused):
            put(media, name, b"evil")
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "outside"]


def test_a_link_is_not_replaced(media: Arrivals, tmp_path: Path) -> None:
    (tmp_path / "data" / "media" / "a.txt").symlink_to(tmp_path / "data")
    with pytest.raises(Refused, match="in the way"):
        put(media, "a.txt", b"new")
    assert os.listdir(tmp_path / "data" / "media" / ".slipway-incoming") == []  # noqa: PTH208


def test_a_file_that_the_site_changed_is_noticed(media: Arrivals, tmp_path: Path) -> None:
    put(media, "a.txt", b"12345")
    etag = hashlib.md5(b"12345").hexdigest()
    asked = {"name": "a.txt", "etag": etag, "from": 0, "size": 100}
    assert media.get(asked, b"")[1] == b"12345"
    (tmp_path / "data" / "media" / "a.txt").write_bytes(b"54321")
    with pytest.raises(Refused, match="changed"):
        media.get(asked, b"")


def test_checksums_are_kept_between_runs_for_settled_files_only(
    media: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(media, "a.txt", b"12345")
    media.page({"after": ""}, b"")
    again = Arrivals(str(tmp_path / "data" / "media"), str(tmp_path / "cache.sqlite"))
    again.load()
    assert again.known == {}
    monkeypatch.setattr("slipway.objects.volume_files.SETTLED", -(10**12))
    media.page({"after": ""}, b"")
    again.load()
    assert [known.etag for known in again.known.values()] == [hashlib.md5(b"12345").hexdigest()]


def test_a_file_that_was_young_when_it_was_read_is_read_again(
    media: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / "media" / "a.txt"
    path.write_bytes(b"12345")
    before = path.stat()
    monkeypatch.setattr("slipway.objects.volume_files.stamp_of", lambda _: (5, 1, 1, 1))
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    media.look({"name": "a.txt"}, b"")
    path.write_bytes(b"54321")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    monkeypatch.setattr(time, "time_ns", lambda: 10**10)
    page = json.loads(media.page({"after": ""}, b"")[1])
    assert page == [["a.txt", 5, hashlib.md5(b"54321").hexdigest()]]


def test_uploads_that_nobody_completed_go_after_a_week(
    media: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = media.begin({"name": "a", "mtime": 0}, b"")[0]["upload"]
    incoming = tmp_path / "data" / "media" / ".slipway-incoming"
    media.sweep()
    assert (incoming / upload).is_dir()
    # About to land, with the time of the file that was sent.
    os.utime(incoming / upload, (1, 1))
    media.sweep()
    assert (incoming / upload).is_dir()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 8 * 24 * 3600)
    media.sweep()
    assert list(incoming.iterdir()) == []


def test_a_full_disk_has_a_code_of_its_own() -> None:
    assert failure(OSError(28, "No space left on device"))[0]["error"] == "full"
    assert failure(OSError(13, "Permission denied"))[0] == {
        "error": "refused",
        "what": "Permission denied",
    }


class Line:
    """Answer as the program does over a connection that breaks after the first request.

    The second one is lost, or only its answer (`late`).
    """

    over = False

    def __init__(self, media: Arrivals, *, late: bool = False) -> None:
        self.media = media
        self.late = late
        self.count = 0

    def ask(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self.count += 1
        self.over = self.count == 2
        if self.over and not self.late:
            raise Broken
        try:
            reply: tuple[dict[str, Any], bytes] = getattr(self.media, request["do"])(request, body)
        except Refused as error:
            reply = failure(error)
        if self.over:
            raise Broken
        return reply


def test_a_connection_that_breaks_between_two_pages_ends_no_listing(
    media: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.objects.volume_files.PAGE", 2)
    monkeypatch.setattr("slipway.objects.volume.PAUSE", 0)
    names = [f"{number}.txt" for number in range(4)]
    for name in names:
        put(media, name, b"x")
    again = Arrivals(str(tmp_path / "data" / "media"), str(tmp_path / "cache.sqlite"))
    bucket = VolumeBucket(Place(Host("host1", "192.0.2.10"), "", ""))
    first = Line(media)
    monkeypatch.setattr(bucket, "_open", iter([first, first, Line(again)]).__next__)
    assert [there.name for there in bucket.listing().objects] == names


def test_an_upload_whose_last_answer_is_lost_is_found_complete(
    media: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.objects.volume.PAUSE", 0)
    lines = [Line(media, late=True), *(Line(media) for _ in range(4))]
    monkeypatch.setattr("slipway.objects.volume.Session", lambda *_: lines.pop(0))
    bucket = VolumeBucket(Place(Host("host1", "192.0.2.10"), "", ""))
    upload = bucket.begin("a.txt", Meta(""))
    digest = hashlib.md5(b"12345")
    part = {"name": "a.txt", "upload": upload.partition("-")[0], "number": 1}
    media.part({**part, "md5": digest.hexdigest()}, b"12345")
    # Of the whole: whoever asked for another one reads it back.
    assert bucket.complete("a.txt", upload, [digest.hexdigest()]) == digest.hexdigest()
    with pytest.raises(ObjectError, match="this upload is not known"):
        bucket.complete("b.txt", upload, [])


def test_of_two_programs_that_complete_an_upload_the_second_waits(
    media: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = str(media.begin({"name": "film"}, b"")[0]["upload"])
    part = hashlib.md5(b"12345").hexdigest()
    request = {"name": "film", "upload": upload, "mtime": 0, "parts": [part], "number": 1}
    media.part({**request, "md5": part}, b"12345")
    again = Arrivals(str(tmp_path / "data" / "media"), str(tmp_path / "cache.sqlite"))
    begun, go_on = threading.Event(), threading.Event()

    def slow(*what: Any) -> None:
        begun.set()
        assert go_on.wait(10)
        copied(*what)

    monkeypatch.setattr("slipway.objects.volume_arrivals.copied", slow)
    first = beside(lambda: media.complete(request, b""))
    assert begun.wait(10)
    second = beside(lambda: again.complete(request, b""))
    with pytest.raises(TimeoutError):
        second(timeout=0.2)
    go_on.set()
    assert first(timeout=10)[0]["etag"].endswith("-1")
    with pytest.raises(Refused, match="this upload is not known"):
        second(timeout=10)


def test_what_a_link_leads_to_is_not_there(media: Arrivals, tmp_path: Path) -> None:
    put(media, "a.txt", b"x")
    (tmp_path / "data" / "media" / "link").symlink_to("a.txt")
    assert media.look({"name": "link"}, b"")[0] == {"there": False}


@pytest.mark.parametrize(("refusals", "comes_back"), [(2, True), (3, False)])
def test_a_host_that_answered_before_is_given_time_to_come_back(
    media: Arrivals, monkeypatch: pytest.MonkeyPatch, refusals: int, comes_back: bool
) -> None:
    monkeypatch.setattr("slipway.objects.volume.PAUSE", 0)
    refusal = HostError("host1", "does not answer", "")
    answers: list[Line | HostError] = [Line(media), *[refusal] * refusals, Line(media)]

    def session(*_: object) -> Line:
        answer = answers.pop(0)
        if isinstance(answer, HostError):
            raise answer
        return answer

    monkeypatch.setattr("slipway.objects.volume.Session", session)
    bucket = VolumeBucket(Place(Host("host1", "192.0.2.10"), "", ""))
    assert bucket.look("a.txt") is None
    if comes_back:
        assert bucket.look("a.txt") is None
    else:
        with pytest.raises(HostError):
            bucket.look("a.txt")


def test_a_host_that_never_answered_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def session(*_: object) -> Line:
        asked.append(_)
        raise HostError("host1", "does not answer", "")

    monkeypatch.setattr("slipway.objects.volume.Session", session)
    with pytest.raises(HostError):
        VolumeBucket(Place(Host("host1", "192.0.2.10"), "", "")).look("a.txt")
    assert len(asked) == 1


def test_a_folder_that_cannot_be_read_ends_the_listing_with_an_error(
    media: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(media, "a/b.txt", b"x")
    real = os.open

    def broken(path: Any, *rest: Any, **more: Any) -> int:
        if path == "a":
            raise OSError(5, "Input/output error")
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(OSError, match="Input/output"):
        media.page({"after": ""}, b"")


def test_names_that_no_disk_takes_are_refused() -> None:
    bucket = VolumeBucket(Place(Host("host1", "192.0.2.10"), "", ""))
    assert (
        bucket.refuses(f"a/{'é' * 127}.jpg/b")
        == "its name, or a folder's, is longer than 255 bytes"
    )
    assert bucket.refuses("a/.slipway-x/b") == "its name, or a folder's, begins with .slipway-"
    assert bucket.refuses("x" * 255) == ""


def test_an_upload_of_another_storage_is_none_of_this_one(
    media: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = VolumeBucket(Place(Host("host1", "192.0.2.10"), "", ""))
    monkeypatch.setattr(bucket, "_open", lambda: Line(media))
    assert bucket.parts("a", "0f1e-2d3c-id of S3") == {}
    bucket.abort("a", "0f1e-2d3c-id of S3")
    assert [_upload(of)["mtime"] for of in ("ab-5000", "ab--5000", "ab-x")] == [5000, -5000, 0]


class Talkative(Shell):
    """Run the program here, in a shell that says something first."""

    def start(self, *_: Any, **options: Any) -> Any:
        words = shlex.join(["sh", "-c", RUN, "sh", START])
        return super().start(Command.of("sh", "-c", f"echo Welcome; exec {words}"), **options)


def test_what_a_login_shell_prints_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.txt").write_bytes(b"12345")
    place = Place(Host("host1", "192.0.2.10"), str(tmp_path / "media"), str(tmp_path / "cache"))
    bucket = VolumeBucket(place, Talkative())
    assert [there.name for there in bucket.listing().objects] == ["a.txt"]
    bucket.close()
