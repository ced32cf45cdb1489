import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import (
    ConfigurationError,
    Declined,
    PartialTransfer,
    SlipwayError,
    StorageError,
)
from slipway.media import push_media, pushed_to
from slipway.objects.bucket import Meta, ObjectError
from slipway.objects.listing import Object, Page
from slipway.objects.shards import Listing, sharded
from slipway.secrets import Secret
from slipway.settings.media import Media
from slipway.sync import memory, pacer, proof
from slipway.sync import push as pushing
from slipway.sync.memory import Upload, remembered
from slipway.sync.scan import Stamp
from tests.unit.bucket import MemoryBucket
from tests.unit.factory import environment


@pytest.fixture
def site(tmp_path: Path) -> Environment:
    (tmp_path / "data" / "media").mkdir(parents=True)
    return environment(root=tmp_path)


def write(site: Environment, name: str, content: bytes) -> Path:
    path = site.root / "data" / "media" / name
    path.write_bytes(content)
    os.utime(path, (1, 1))
    return path


def push(site: Environment, bucket: MemoryBucket, **options: Any) -> int:
    return push_media(site, Console(as_json=True), bucket=bucket, **options)


def fields(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(capsys.readouterr().out)
    return loaded


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
    monkeypatch.setattr(proof, "has_etag", lambda *_: pytest.fail("was read"))
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
    really = proof.has_etag

    def has_etag(file: Any, *rest: Any) -> bool:
        read.append(file.name)
        return really(file, *rest)

    monkeypatch.setattr(proof, "has_etag", has_etag)
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


@pytest.fixture
def full(site: Environment) -> MemoryBucket:
    """Hold three files that are here and two that are not, and what never came from here."""
    bucket = MemoryBucket()
    for name in ("a", "b", "c"):
        write(site, name, name.encode())
    push(site, bucket)
    for name in ("old", "gone", "folder/", "x//y"):
        bucket.store(name, b"of nobody", Meta(""), f"etag-{name}")
    return bucket


def console(*, yes: bool) -> Console:
    return Console(assume_yes=yes)


def test_delete_names_what_goes_and_asks(
    site: Environment, full: MemoryBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    write(site, "new", b"new")
    with pytest.raises(Declined):
        push_media(site, console(yes=False), bucket=full, delete=True)
    assert "old" in full.contents
    assert "new" not in full.contents
    said = capsys.readouterr().out
    assert "2 objects have no file here and will be deleted:" in said
    assert "- gone\n" in said
    assert "- old\n" in said
    push_media(site, console(yes=True), bucket=full, delete=True)
    assert sorted(full.contents) == ["a", "b", "c", "folder/", "new", "x//y"]
    assert "1 file sent (3 B), 3 unchanged, 2 deleted, verified" in capsys.readouterr().out


def test_an_object_that_is_listed_twice_is_not_deleted(
    site: Environment, full: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [Object(name, 1, full.etags[name]) for name in ("a", "a", "b", "c")]

    def listing(seeds: Sequence[str] | None = ()) -> Listing:
        return sharded(lambda *_: Page(listed, ""), seeds)

    monkeypatch.setattr(full, "listing", listing)
    assert push(site, full, delete=True) == 0
    assert {"a", "b", "c"} <= full.contents.keys()


def test_delete_most_is_only_deleted_when_told_so(site: Environment, full: MemoryBucket) -> None:
    for name in ("b", "c"):
        (site.root / "data" / "media" / name).unlink()
    with pytest.raises(SlipwayError, match="4 of 7 objects have no file here; is this the right"):
        push_media(site, console(yes=True), bucket=full, delete=True)
    assert len(full.contents) == 7
    push_media(site, console(yes=True), bucket=full, delete=True, delete_most=True)
    assert sorted(full.contents) == ["a", "folder/", "x//y"]


def test_nothing_is_deleted_where_something_here_cannot_be_read_or_sent(
    site: Environment, full: MemoryBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.root / "data" / "media" / "link").symlink_to("nowhere")
    with pytest.raises(PartialTransfer):
        push_media(site, console(yes=True), bucket=full, delete=True)
    assert "nothing is deleted, since not everything here could be read" in capsys.readouterr().err
    (site.root / "data" / "media" / "link").unlink()
    write(site, "new", b"new")
    full.refused = {"new"}
    with pytest.raises(PartialTransfer):
        push_media(site, console(yes=True), bucket=full, delete=True)
    assert "nothing was deleted, since not everything could be sent" in capsys.readouterr().err
    assert {"old", "gone"} <= full.contents.keys()


def test_what_cannot_be_deleted_is_named(
    site: Environment, full: MemoryBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    full.refused = {"old"}
    with pytest.raises(PartialTransfer):
        push_media(site, console(yes=True), bucket=full, delete=True)
    assert "data/media/old: could not be deleted: Access Denied" in capsys.readouterr().err
    assert "gone" not in full.contents


def test_what_changed_since_the_listing_is_not_deleted(
    site: Environment,
    full: MemoryBucket,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(site, "new", b"new")
    really = full.put

    def put(*arguments: Any) -> str:
        full.store("old", b"of a visitor", Meta(""), "another")
        full.contents.pop("gone")
        return really(*arguments)

    monkeypatch.setattr(full, "put", put)
    push_media(site, console(yes=True), bucket=full, delete=True)
    said = capsys.readouterr()
    assert full.contents["old"] == b"of a visitor"
    assert "! 1 objects changed since they were listed, and stay\n" in said.err
    assert "1 file sent (3 B), 3 unchanged, verified" in said.out


def test_what_cannot_be_looked_at_is_not_deleted(
    site: Environment,
    full: MemoryBucket,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really = full.look

    def look(name: str) -> Object | None:
        if name == "old":
            raise ObjectError(name, "is locked", "")
        return really(name)

    monkeypatch.setattr(full, "look", look)
    with pytest.raises(PartialTransfer):
        push_media(site, console(yes=True), bucket=full, delete=True)
    assert "data/media/old: could not be deleted: is locked" in capsys.readouterr().err
    assert "old" in full.contents
    assert "gone" not in full.contents


def test_where_much_goes_not_each_is_looked_at(
    site: Environment, full: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "LOOKED_AT", 1)
    monkeypatch.setattr(full, "look", lambda _: pytest.fail("was looked at"))
    push_media(site, console(yes=True), bucket=full, delete=True)
    assert "old" not in full.contents
    assert pushed_to(site).objects()["old"].deleted == ""


def test_what_is_excluded_is_neither_sent_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "data" / "media" / "cache").mkdir(parents=True)
    site = environment(root=tmp_path, media=Media(exclude=("cache/", "*.tmp", "!keep.tmp")))
    for name in ("a", "b.tmp", "keep.tmp", "cache/c"):
        write(site, name, b"x")
    bucket = MemoryBucket()
    for name in ("cache/old", "old.tmp"):
        bucket.store(name, b"x", Meta(""), "x")
    push_media(site, console(yes=True), bucket=bucket, delete=True)
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
