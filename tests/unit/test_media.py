from pathlib import Path
from typing import Any

import pytest

from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import (
    ConfigurationError,
    PartialTransfer,
    StorageError,
)
from slipway.media import push_media
from slipway.objects.bucket import Meta
from slipway.objects.listing import Object
from slipway.secrets import Secret
from slipway.settings.media import Media
from slipway.sync import memory, pacer, proof
from slipway.sync.memory import Upload, remembered
from slipway.sync.scan import Stamp
from tests.unit.bucket import MemoryBucket
from tests.unit.factory import environment
from tests.unit.pushing import fields, push, write


@pytest.fixture
def site(tmp_path: Path) -> Environment:
    (tmp_path / "data" / "media").mkdir(parents=True)
    return environment(root=tmp_path)


def test_the_result_is_one_json_object(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    write(site, "a.txt", b"12345")
    assert push(site, MemoryBucket()) == 0
    said = fields(capsys)
    assert said.pop("seconds") >= 0
    assert said == {
        "uploaded": 1,
        "skipped": 0,
        "copied": 0,
        "deleted": 0,
        "failed": 0,
        "bytes_sent": 5,
        "bytes_resumed": 0,
        "requests": 2,
    }


def test_people_get_one_line(site: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    write(site, "a.txt", b"12345")
    bucket = MemoryBucket()
    push_media(site, Console(), bucket=bucket)
    assert "  1 file sent (5 B), 0 unchanged, verified, 0." in capsys.readouterr().out
    push_media(site, Console(), bucket=bucket)
    assert "  0 files sent (0 B), 1 unchanged, verified, 0." in capsys.readouterr().out


def test_the_second_run_reads_no_file(
    site: Environment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site, "a.txt", b"12345")
    monkeypatch.setattr(memory, "SETTLED", 0)
    bucket = MemoryBucket()
    push(site, bucket)
    capsys.readouterr()
    monkeypatch.setattr(proof, "is_equal", lambda *_: pytest.fail("was read"))
    push(site, bucket)
    assert fields(capsys)["skipped"] == 1


@pytest.mark.parametrize("opaque", [False, True])
def test_checksum_reads_every_file(
    site: Environment,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    opaque: bool,
) -> None:
    write(site, "a.txt", b"12345")
    bucket = MemoryBucket(opaque=opaque)
    push(site, bucket)
    capsys.readouterr()
    read: list[str] = []
    really = proof.is_equal

    def is_equal(folder: str, there: Object, *rest: Any) -> bool:
        read.append(there.name)
        return really(folder, there, *rest)

    monkeypatch.setattr(proof, "is_equal", is_equal)
    push(site, bucket, checksum=True)
    assert read == ["a.txt"]
    assert fields(capsys)["uploaded"] == int(opaque)


def test_what_changed_over_there_is_sent_again_and_nothing_is_deleted(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    write(site, "a.txt", b"12345")
    bucket = MemoryBucket()
    push(site, bucket)
    capsys.readouterr()
    bucket.store("a.txt", b"54321", Meta("text/plain"), "another")
    bucket.store("foreign//odd\nname", b"x", Meta("text/plain"), "x")
    push(site, bucket)
    assert fields(capsys)["uploaded"] == 1
    assert bucket.contents == {"a.txt": b"12345", "foreign//odd\nname": b"x"}


def test_failures_are_named_and_end_in_a_partial_transfer(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("bad\nname", "good", "refused"):
        write(site, name, b"x")
    bucket = MemoryBucket(refused={"refused"})
    with pytest.raises(PartialTransfer, match="data/media: 2 could not be sent"):
        push_media(site, Console(), bucket=bucket)
    said = capsys.readouterr()
    assert "! data/media/bad\\nname: its name holds a control character\n" in said.err
    assert "! data/media/refused: is refused\n" in said.err
    assert "1 file sent (1 B), 0 unchanged, 2 failed" in said.out


def test_a_partial_transfer_is_one_json_object_too(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    write(site, "bad\\name", b"x")
    assert push(site, MemoryBucket()) == PartialTransfer.exit_code
    said = fields(capsys)
    assert (said["failed"], said["exit_code"]) == (1, 9)
    assert "1 could not be sent" in said["error"]


def test_a_storage_that_fails_says_how_far_it_got(
    site: Environment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacer.Pacer, "limit", 1, raising=False)
    monkeypatch.setattr(pacer.Pacer, "__setattr__", lambda *_: None)
    for number in range(20):
        write(site, f"{number}", b"x")
    with pytest.raises(StorageError, match="no room left"):
        push(site, MemoryBucket(fails_after=7))
    assert (
        "! stopped, 7 of 20 files sent; the next run goes on from there\n"
        in capsys.readouterr().err
    )


def test_without_a_folder_there_is_nothing_to_push(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="data/media: is not there"):
        push_media(environment(root=tmp_path), Console(), bucket=MemoryBucket())


@pytest.mark.parametrize(
    ("variables", "kind", "words"),
    [
        ({}, ConfigurationError, "DEFAULT_STORAGE_DSN is missing"),
        ({"DEFAULT_STORAGE_DSN": Secret("file:///mnt/?url=%2Fmedia%2F")}, StorageError,
         "env/test.env: DEFAULT_STORAGE_DSN: names the folder /mnt, which is not kept"),
        ({"DEFAULT_STORAGE_DSN": Secret("ftp://x:hidden@y/")}, ConfigurationError, "'ftp'"),
    ],
)  # fmt: skip
def test_storages_that_cannot_be_pushed_to_are_refused(
    site: Environment, variables: dict[str, Secret], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as raised:
        push_media(environment(root=site.root, variables=variables), Console())
    assert "hidden" not in str(raised.value)


def test_unfinished_uploads_of_files_that_are_gone_are_aborted(site: Environment) -> None:
    bucket = MemoryBucket()
    mine, foreign = bucket.begin("gone", Meta("")), bucket.begin("gone", Meta(""))
    with remembered(site.root / ".state", "test") as kept:
        kept.begin_upload(Upload("gone", mine, 16, 1.0, Stamp(1, 1, 1, 1)))
    push(site, bucket)
    assert list(bucket.uploads) == [foreign]
    with remembered(site.root / ".state", "test") as kept:
        assert kept.uploads() == []


def test_what_was_renamed_is_copied_and_not_sent(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(site, "old.txt", b"12345")
    bucket = MemoryBucket()
    push(site, bucket)
    capsys.readouterr()
    path.rename(path.with_name("new.css"))
    write(site, "other.txt", b"54321")
    push(site, bucket)
    said = fields(capsys)
    assert (said["copied"], said["uploaded"], said["bytes_sent"]) == (1, 1, 5)
    assert bucket.sent == ["old.txt", "other.txt"]
    assert bucket.contents["new.css"] == b"12345"
    assert bucket.metas["new.css"].content_type == "text/css"
    assert bucket.contents["old.txt"] == b"12345"


def test_where_copying_is_refused_it_is_sent(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(site, "old.txt", b"12345")
    bucket = MemoryBucket(copies=False)
    push(site, bucket)
    capsys.readouterr()
    path.rename(path.with_name("new.txt"))
    push(site, bucket)
    said = fields(capsys)
    assert (said["copied"], said["uploaded"]) == (0, 1)


def test_what_is_excluded_is_neither_sent_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "data" / "media" / "cache").mkdir(parents=True)
    site = environment(root=tmp_path, media=Media(exclude=("cache/", "*.tmp", "!keep.tmp")))
    for name in ("a", "b.tmp", "keep.tmp", "cache/c"):
        write(site, name, b"x")
    bucket = MemoryBucket()
    for name in ("cache/old", "old.tmp"):
        bucket.store(name, b"x", Meta(""), "x")
    push_media(site, Console(assume_yes=True), bucket=bucket, delete=True)
    assert sorted(bucket.contents) == ["a", "cache/old", "keep.tmp", "old.tmp"]


def test_cache_control_goes_by_the_first_pattern_that_matches(tmp_path: Path) -> None:
    (tmp_path / "data" / "media" / "css").mkdir(parents=True)
    rules = (("*.pdf", "no-cache"), ("/css/", "max-age=60"))
    site = environment(root=tmp_path, media=Media(cache_control=rules))
    for name in ("a.pdf", "css/b.css", "css/c.pdf", "d.txt"):
        write(site, name, b"x")
    bucket = MemoryBucket()
    push(site, bucket)
    cached = {name: meta.cache_control for name, meta in bucket.metas.items()}
    assert cached == {
        "a.pdf": "no-cache", "css/b.css": "max-age=60", "css/c.pdf": "no-cache", "d.txt": "",
    }  # fmt: skip
