import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from slipway import undo_media as undoing
from slipway.console import Console
from slipway.dsn import S3Dsn
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.media import FOLDER, push_media, pushed_to
from slipway.objects.bucket import Meta
from slipway.objects.s3_versions import Version, Versions, parse
from slipway.objects.shards import Listing, by_letters
from slipway.objects.wire import Answer
from slipway.pull import pull_media
from slipway.secrets import Secret
from slipway.settings.storage import Storage
from slipway.sync import etags
from slipway.undo_media import undo_media
from tests.unit.bucket import MemoryBucket
from tests.unit.factory import environment

PAGE = """<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Version><Key>a</Key><VersionId>1</VersionId><IsLatest>false</IsLatest><ETag>"x"</ETag>
<Size>3</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Version>
<Version><Key>a</Key><VersionId>2</VersionId><IsLatest>false</IsLatest><ETag>"y"</ETag>
<Size>4</Size><LastModified>2026-01-02T00:00:00Z</LastModified></Version>
<Version><Key>ab</Key><VersionId>9</VersionId><IsLatest>true</IsLatest></Version>
<DeleteMarker><Key>a</Key><VersionId>3</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-01-02T00:00:00Z</LastModified></DeleteMarker></ListVersionsResult>"""


def test_versions_come_newest_first_and_those_of_other_keys_not_at_all() -> None:
    assert [(one.identity, one.deleted) for one in parse(PAGE, "a")] == [
        ("3", True),
        ("2", False),
        ("1", False),
    ]
    assert parse(PAGE, "a")[1] == Version("2", "y", 4, "2026-01-02T00:00:00Z", False)


@pytest.mark.parametrize(("status", "kept"), [(403, True), (405, False), (501, False)])
def test_a_server_that_cannot_say_whether_it_keeps_versions_keeps_none(
    status: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = Versions(S3Dsn("key", Secret("hidden"), "media", "auto", "https://s3.example.com"))
    monkeypatch.setattr(versions._api, "send", lambda *_: Answer(status, {}, b""))
    assert versions.kept() is kept


@pytest.mark.parametrize(
    ("dsn", "hint"),
    [
        ("az://account:a2V5@blob.core.windows.net/myapp-test/", "its portal"),
        ("file:///data/media/?url=%2Fmedia%2F", "restore a backup"),
    ],
)
def test_storages_without_versions_say_what_is_possible(dsn: str, hint: str) -> None:
    there = environment(variables={"DEFAULT_STORAGE_DSN": Secret(dsn)})
    with pytest.raises(StorageError, match=f"keeps no earlier versions that could come .*{hint}"):
        undo_media(there, Console())


class Unversioned(Versions):
    """Answer as a bucket does that keeps no versions, to a key that may not ask about it."""

    def __init__(self) -> None: ...

    def kept(self) -> bool:
        return True

    def of(self, name: str) -> list[Version]:  # noqa: ARG002
        return [Version("null", "0cc175b9c0f1b6a831c399e269772661", 1, "2026-01-01", False)]


@pytest.mark.parametrize("versioning", [False, True])
def test_objects_without_earlier_versions_say_whether_there_could_be_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versioning: bool
) -> None:
    storage = Storage("s3", "media", versioning=versioning)
    there = environment(root=tmp_path, storage=storage)
    (tmp_path / ".state").mkdir()
    pushed = pushed_to(there)
    pushed.begin(["a.txt"])
    pushed.sends("a.txt", "0cc175b9c0f1b6a831c399e269772661")
    if versioning:
        assert undo_media(there, Console(), versions=Unversioned()) == 0
        return
    # What was deleted has no version at all then.
    ways: list[Any] = [Unversioned.of, lambda *_: []]
    for of in ways:
        monkeypatch.setattr(Unversioned, "of", of)
        with pytest.raises(StorageError, match=r"keeps no earlier versions .*versioning = true"):
            undo_media(there, Console(), versions=Unversioned())


class Kept(Versions):
    """Keep every version of what a MemoryBucket holds."""

    def __init__(self) -> None:
        self.bucket = Recorder(self)
        self.found: dict[str, list[Version]] = {}

    def kept(self) -> bool:
        return True

    def of(self, name: str) -> list[Version]:
        return self.found.get(name, [])

    def add(self, name: str, body: bytes | None) -> None:
        etag = "" if body is None else etags.of_bytes(body)
        version = Version(repr(body), etag, len(body or b""), "2026-01-01", body is None)
        self.found.setdefault(name, []).insert(0, version)

    def restore(self, name: str, version: Version) -> None:
        body: bytes = ast.literal_eval(version.identity)
        self.bucket.store(name, body, Meta(""), version.etag)


class Recorder(MemoryBucket):
    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self._kept = kept

    def store(self, name: str, body: bytes, meta: Meta | str, etag: str) -> str:
        self._kept.add(name, body)
        return super().store(name, body, meta, etag)

    def delete(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        yield from super().delete(names)
        for name in names:
            self._kept.add(name, None)


@dataclass
class Machine:
    """Hold a machine that pushes and undoes, and the storage that it shares with others."""

    there: Environment
    kept: Kept

    def write(self, name: str, content: bytes) -> None:
        path = self.there.root / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def push(self, name: str, content: bytes) -> None:
        self.write(name, content)
        push_media(self.there, Console(), bucket=self.kept.bucket)

    def others(self, name: str, content: bytes) -> None:
        self.kept.bucket.store(name, content, Meta(""), etags.of_bytes(content))

    def undo(self) -> dict[str, bytes]:
        undo_media(self.there, Console(assume_yes=True), versions=self.kept)
        return self.kept.bucket.contents


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(environment(root=tmp_path), Kept())
    made.push("a.jpg", b"v1")
    return made


def test_what_a_colleague_pushed_since_stays_though_it_was_pulled(machine: Machine) -> None:
    machine.push("a.jpg", b"v2")
    machine.others("a.jpg", b"v3")
    pull_media(machine.there, Console(), bucket=machine.kept.bucket)
    assert (machine.there.root / FOLDER / "a.jpg").read_bytes() == b"v3"
    assert machine.undo() == {"a.jpg": b"v3"}


def test_what_was_pushed_comes_back_though_the_file_is_another_by_now(machine: Machine) -> None:
    machine.push("a.jpg", b"v2")
    machine.write("a.jpg", b"not pushed")
    assert machine.undo() == {"a.jpg": b"v1"}


def test_what_somebody_deleted_since_stays_deleted(machine: Machine) -> None:
    machine.push("a.jpg", b"v2")
    list(machine.kept.bucket.delete(["a.jpg"]))
    assert machine.undo() == {}


def push_deletion(machine: Machine) -> None:
    """Delete the object, beside others, since an empty folder deletes nothing."""
    machine.push("b", b"b")
    machine.push("c", b"c")
    (machine.there.root / FOLDER / "a.jpg").unlink(missing_ok=True)
    console = Console(assume_yes=True)
    push_media(machine.there, console, bucket=machine.kept.bucket, delete=True)
    assert "a.jpg" not in machine.kept.bucket.contents


def test_what_was_deleted_comes_back_unless_somebody_did_so_again(machine: Machine) -> None:
    push_deletion(machine)
    assert machine.undo()["a.jpg"] == b"v1"
    push_deletion(machine)
    machine.others("a.jpg", b"v3")
    list(machine.kept.bucket.delete(["a.jpg"]))
    assert "a.jpg" not in machine.undo()


def test_a_version_that_was_stored_twice_is_not_the_one_before(machine: Machine) -> None:
    machine.push("a.jpg", b"v2")
    machine.kept.add("a.jpg", b"v2")
    assert machine.undo() == {"a.jpg": b"v1"}


def test_what_a_killed_push_had_sent_comes_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = machine.kept.bucket.put

    def put(*arguments: Any) -> str:
        really(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(machine.kept.bucket, "put", put)
        with pytest.raises(KeyboardInterrupt):
            machine.push("a.jpg", b"v2")
    assert machine.kept.bucket.contents == {"a.jpg": b"v2"}
    assert machine.undo() == {"a.jpg": b"v1"}


@pytest.mark.parametrize("content", [b"sent", b"v1"])
def test_what_a_visitor_stored_after_the_listing_comes_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    really = machine.kept.bucket.listing

    def listing(*arguments: Any) -> Listing:
        found = list(really(*arguments).objects)
        machine.others("new.jpg", b"of a visitor")
        return Listing(by_letters, iter(found))

    with monkeypatch.context() as patched:
        patched.setattr(machine.kept.bucket, "listing", listing)
        if content == b"v1":  # is copied inside the bucket
            (machine.there.root / FOLDER / "a.jpg").unlink()
        machine.push("new.jpg", content)
    assert machine.kept.bucket.contents["new.jpg"] == content
    assert machine.undo() == {"a.jpg": b"v1", "new.jpg": b"of a visitor"}


def test_new_objects_are_no_steps_and_many_are_not_looked_at(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write("new.jpg", b"new")
    machine.push("a.jpg", b"v2")
    monkeypatch.setattr(undoing, "MOST_NEW", 0)
    assert machine.undo() == {"a.jpg": b"v1", "new.jpg": b"new"}
    said = capsys.readouterr()
    assert "1 objects brought back, 0 left as they are" in said.out
    assert "1 objects that were new are not looked at" in said.err


def test_the_note_of_another_storage_is_left_alone(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.push("a.jpg", b"v2")
    storage = Storage("s3", "another", endpoint="http://192.0.2.20:8333")
    moved = replace(machine, there=replace(machine.there, storage=storage))
    assert moved.undo() == {"a.jpg": b"v2"}
    assert "the note of the last push is of another storage, http" in capsys.readouterr().err
    assert machine.undo() == {"a.jpg": b"v1"}


def test_a_note_of_names_alone_is_told_and_not_used(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.push("a.jpg", b"v2")
    note = machine.there.root / ".state" / "media-test.pushed.json"
    note.write_text('{"names": ["a.jpg"], "over": true}')
    assert machine.undo() == {"a.jpg": b"v2"}
    assert "the note of the last push is not one of this version" in capsys.readouterr().err


@pytest.mark.parametrize("acl", ["", "public-read"])
def test_what_comes_back_is_as_public_as_it_was(monkeypatch: pytest.MonkeyPatch, acl: str) -> None:
    versions = Versions(S3Dsn("K", Secret("s"), "media", "us-east-1", "http://192.0.2.1", acl=acl))
    sent: list[dict[str, str]] = []

    def send(*asked: Any) -> Answer:
        sent.append(asked[-1])
        return Answer(200, {}, b"")

    monkeypatch.setattr(versions._api, "send", send)
    versions.restore("a.txt", Version("7", "x", 1, "2026-01-01", False))
    assert sent[0].get("x-amz-acl", "") == acl
    assert sent[0]["x-amz-copy-source"].endswith("a.txt?versionId=7")
