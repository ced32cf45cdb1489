import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.content_types import content_type
from slipway.errors import HostError, StorageError
from slipway.objects.bucket import Meta
from slipway.sync import etags, reading
from slipway.sync.memory import Memory, Upload
from slipway.sync.plan import Wanted
from slipway.sync.scan import Problem, Stamp, scan
from slipway.sync.send import Sender
from slipway.sync.tally import Tally
from tests.unit.bucket import MemoryBucket

LARGE = os.urandom(1000)


def wanted(media: Path) -> list[Wanted]:
    return [Wanted(file.name, file.stamp.size) for file in scan(media).files]


def send(files: list[Wanted], media: Path, bucket: MemoryBucket, memory: Memory) -> Tally:
    tally = Tally()
    noted: list[tuple[str, str]] = []

    def meta_of(name: str) -> Meta:
        return Meta(content_type(name))

    def note(name: str, etag: str) -> None:
        noted.append((name, etag))

    sender = Sender(str(media), bucket, memory, tally, meta_of, note)
    sender.run(files, lambda: None)
    assert set(bucket.etags.items()) <= set(noted)
    return tally


def push(media: Path, bucket: MemoryBucket, memory: Memory) -> Tally:
    return send(wanted(media), media, bucket, memory)


@pytest.mark.usefixtures("_small_parts")
def test_files_arrive_whole_with_their_types(media: Path, memory: Memory) -> None:
    (media / "a.jpg").write_bytes(b"small")
    (media / "b.mp4").write_bytes(LARGE)
    (media / "empty").write_bytes(b"")
    bucket = MemoryBucket()
    tally = push(media, bucket, memory)
    assert bucket.contents == {"a.jpg": b"small", "b.mp4": LARGE, "empty": b""}
    assert bucket.metas["a.jpg"] == Meta("image/jpeg", "", (media / "a.jpg").stat().st_mtime_ns)
    assert bucket.metas["b.mp4"].content_type == "video/mp4"
    assert bucket.etags["b.mp4"].endswith("-4")
    assert (tally.files, tally.size, tally.moved, tally.problems) == (3, 1005, 1005, [])
    assert memory.uploads() == []


def test_a_file_damaged_on_the_way_is_sent_again(media: Path, memory: Memory) -> None:
    (media / "a").write_bytes(b"content")
    bucket = MemoryBucket(damages=2)
    assert push(media, bucket, memory).files == 1
    assert bucket.contents == {"a": b"content"}


def test_lasting_damage_is_reported(media: Path, memory: Memory) -> None:
    (media / "a").write_bytes(b"content")
    tally = push(media, MemoryBucket(damages=3), memory)
    assert tally.problems == [Problem("a", "was damaged on the way")]


def test_damage_that_only_the_etag_shows_is_noticed(media: Path, memory: Memory) -> None:
    (media / "a").write_bytes(b"content")
    tally = push(media, MemoryBucket(damages_silently=True), memory)
    assert tally.problems == [Problem("a", "arrived with other content")]
    assert tally.files == 0


@pytest.mark.usefixtures("_small_parts")
def test_etags_that_are_no_md5_are_proven_by_reading_back(media: Path, memory: Memory) -> None:
    (media / "a").write_bytes(b"content")
    (media / "large").write_bytes(LARGE)
    for name in ("a", "large"):
        os.utime(media / name, (1, 1))
    bucket = MemoryBucket(opaque=True)
    tally = push(media, bucket, memory)
    assert (tally.files, tally.problems) == (2, [])


def test_one_refused_file_does_not_stop_the_rest(media: Path, memory: Memory) -> None:
    for name in "abc":
        (media / name).write_bytes(b"content")
    bucket = MemoryBucket(refused={"b"})
    tally = push(media, bucket, memory)
    assert sorted(bucket.contents) == ["a", "c"]
    assert tally.problems == [Problem("b", "is refused")]


def test_a_file_that_vanished_is_reported(media: Path, memory: Memory) -> None:
    (media / "a").write_bytes(b"content")
    files = [*wanted(media), Wanted("large", etags.PART + 1)]
    (media / "a").unlink()
    tally = send(files, media, MemoryBucket(), memory)
    gone = "No such file or directory"
    assert sorted(tally.problems) == [Problem("a", gone), Problem("large", gone)]


@pytest.mark.usefixtures("_small_parts")
def test_a_large_file_that_was_emptied_is_reported(media: Path, memory: Memory) -> None:
    (media / "log").write_bytes(LARGE)
    files = wanted(media)
    (media / "log").write_bytes(b"")
    bucket = MemoryBucket()
    tally = send(files, media, bucket, memory)
    assert tally.problems == [Problem("log", "was emptied meanwhile")]
    assert (bucket.contents, bucket.uploads, memory.uploads()) == ({}, {}, [])


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("same", [True, False])
def test_what_a_host_found_complete_is_compared_without_reading_it_back(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    (media / "film").write_bytes(LARGE)
    bucket = MemoryBucket()
    complete = bucket.complete
    found = hashlib.md5(LARGE if same else b"an older one").hexdigest()

    def late(*what: Any) -> str:
        complete(*what)
        return found

    read: list[str] = []

    def older(name: str) -> list[bytes]:
        read.append(name)
        return [b"older"]

    monkeypatch.setattr(bucket, "complete", late)
    monkeypatch.setattr(bucket, "read", older)
    tally = send(wanted(media), media, bucket, memory)
    assert (tally.files, bool(read)) == ((1, False) if same else (0, True))


def test_a_storage_that_fails_ends_the_run(media: Path, memory: Memory) -> None:
    for number in range(100):
        (media / f"{number}").write_bytes(b"content")
    bucket = MemoryBucket(fails_after=10)
    with pytest.raises(StorageError, match="no room left"):
        push(media, bucket, memory)
    assert len(bucket.contents) >= 10


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize(("method", "content"), [("put", b"small"), ("begin", LARGE)])
def test_a_host_that_goes_away_ends_the_run(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch, method: str, content: bytes
) -> None:
    (media / "a").write_bytes(content)
    bucket = MemoryBucket()
    monkeypatch.setattr(bucket, method, gone)
    with pytest.raises(HostError, match="does not answer"):
        push(media, bucket, memory)


def gone(*_: object) -> str:
    raise HostError("host1", "does not answer", "")


class Written(MemoryBucket):
    """Let somebody write to the file whenever a part of it arrives, a number of times."""

    path: Path
    mode: str
    times = 0

    def put_part(self, name: str, *rest: Any) -> str:
        if self.times:
            self.times -= 1
            with self.path.open(self.mode) as file:
                file.write(b"more")
        return super().put_part(name, *rest)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("mode", ["ab", "r+b"])
@pytest.mark.parametrize(("times", "arrives"), [(1, True), (10**6, False)])
def test_a_file_that_changes_while_it_is_read_is_sent_again_or_not_at_all(
    media: Path, memory: Memory, mode: str, times: int, arrives: bool
) -> None:
    path = media / "log"
    path.write_bytes(LARGE)
    os.utime(path, (1, 1))
    bucket = Written()
    bucket.path, bucket.mode, bucket.times = path, mode, times
    tally = push(media, bucket, memory)
    assert bucket.uploads == {}
    assert memory.uploads() == []
    if arrives:
        assert bucket.contents == {"log": path.read_bytes()}
        assert (tally.problems, tally.files) == ([], 1)
        assert tally.moved == path.stat().st_size
    else:
        assert bucket.contents == {}
        assert tally.problems == [Problem("log", "is being written to")]


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("touched", [False, True])
def test_an_interrupted_upload_goes_on_unless_the_file_is_another_one(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch, touched: bool
) -> None:
    monkeypatch.setattr("slipway.sync.send.PARTS_AT_ONCE", 1)
    path = media / "film"
    path.write_bytes(LARGE)
    bucket = MemoryBucket()
    really, stop = bucket.put_part, [3]

    def put_part(name: str, upload: str, number: int, *rest: Any) -> str:
        if number == stop[0]:
            raise StorageError("line", "is cut", "")
        return really(name, upload, number, *rest)

    monkeypatch.setattr(bucket, "put_part", put_part)
    with pytest.raises(StorageError, match="is cut"):
        push(media, bucket, memory)
    assert bucket.sent == ["film 1", "film 2"]
    stop[0] = 0
    if touched:
        path.write_bytes(LARGE[::-1])
    tally = push(media, bucket, memory)
    assert bucket.contents == {"film": path.read_bytes()}
    assert (bucket.uploads, memory.uploads()) == ({}, [])
    again = ["film 1", "film 2"] if touched else []
    assert bucket.sent[2:] == [*again, "film 3", "film 4"]
    assert tally.resumed == (0 if touched else 600)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("known", [False, True])
def test_an_upload_that_was_begun_right_before_a_kill_leaves_nothing(
    media: Path, memory: Memory, known: bool
) -> None:
    path = media / "film"
    path.write_bytes(LARGE)
    bucket = MemoryBucket()
    left = bucket.begin("film", Meta(""))
    stamp = Stamp.of(path.stat())
    memory.begin_upload(Upload("film", left if known else "", 300, time.time(), stamp))
    push(media, bucket, memory)
    assert (bucket.contents, bucket.uploads) == ({"film": LARGE}, {})


@pytest.mark.usefixtures("_small_parts")
def test_a_whole_that_arrives_damaged_is_sent_again(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (media / "film").write_bytes(LARGE)
    bucket = MemoryBucket()
    really, times = bucket.complete, [1]

    def complete(name: str, *rest: Any) -> str:
        answered = really(name, *rest)
        if times:
            times.pop()
            bucket.contents[name] = bucket.contents[name][::-1]
            return "another"
        return answered

    monkeypatch.setattr(bucket, "complete", complete)
    assert push(media, bucket, memory).problems == []
    assert bucket.contents == {"film": LARGE}


def test_a_small_file_that_changes_while_it_is_read_is_read_again(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = media / "a"
    path.write_bytes(b"before")
    really, times = os.pread, [1, 2]

    def pread(handle: int, size: int, begin: int) -> bytes:
        body = really(handle, size, begin)
        if times:
            path.write_bytes(b"after" * times.pop())
        return body

    monkeypatch.setattr("slipway.sync.reading.os.pread", pread)
    bucket = MemoryBucket()
    assert push(media, bucket, memory).files == 1
    assert bucket.contents == {"a": b"after"}


@pytest.mark.usefixtures("_small_parts")
def test_a_file_that_grew_large_after_the_scan_is_sent_in_parts(
    media: Path, memory: Memory
) -> None:
    path = media / "log"
    path.write_bytes(b"1")
    files = wanted(media)
    path.write_bytes(LARGE)
    bucket = MemoryBucket()
    assert send(files, media, bucket, memory).problems == []
    assert bucket.contents == {"log": LARGE}
    assert sorted(bucket.sent) == [f"log {number}" for number in range(1, 5)]


@pytest.mark.parametrize("content", [b"123", b"1234567"])
def test_a_file_of_another_length_is_no_mixture(media: Path, content: bytes) -> None:
    path = media / "a"
    path.write_bytes(b"12345")
    stamp = Stamp.of(path.stat())
    path.write_bytes(content)
    with pytest.raises(reading.FileChanged):
        reading.section(str(path), 0, 5, stamp)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("content", [b"small", LARGE])
def test_what_was_young_when_it_was_read_is_not_remembered_after_a_long_way(
    media: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch,
    pass_time: Callable[..., Any], content: bytes,
) -> None:  # fmt: skip
    (media / "a").write_bytes(content)
    bucket = MemoryBucket()
    monkeypatch.setattr(bucket, "arrive", pass_time(bucket.arrive))
    assert push(media, bucket, memory).files == 1
    memory.save()
    assert memory.known() == {}
