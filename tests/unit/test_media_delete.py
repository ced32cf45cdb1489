"""What --delete takes away, and what it never does."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import Declined, PartialTransfer, SlipwayError
from slipway.media import push_media, pushed_to
from slipway.objects.bucket import Meta, ObjectError
from slipway.objects.listing import Object, Page
from slipway.objects.shards import Listing, sharded
from slipway.settings.media import Media
from slipway.sync import memory
from slipway.sync import push as pushing
from tests.unit.bucket import MemoryBucket
from tests.unit.factory import environment
from tests.unit.pushing import push, write


@pytest.fixture
def site(tmp_path: Path) -> Environment:
    (tmp_path / "data" / "media").mkdir(parents=True)
    return environment(root=tmp_path)


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
    said = capsys.readouterr()
    assert "2 objects have no file here and will be deleted:" in said.out
    assert "storage.versioning is not set: there may be no way back" in said.err
    assert "- gone\n" in said.out
    assert "- old\n" in said.out
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
    with pytest.raises(SlipwayError, match="4 of 5 objects have no file here; is this the right"):
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


def test_what_never_came_from_here_makes_half_of_it_no_less(tmp_path: Path) -> None:
    (tmp_path / "data" / "media").mkdir(parents=True)
    site = environment(root=tmp_path, media=Media(exclude=("cache/",)))
    there = MemoryBucket()
    for name in ("1", "2", "3"):
        there.store(name, b"x", Meta(""), name)
    for number in range(20):
        there.store(f"cache/{number}", b"x", Meta(""), str(number))
    write(site, "1", b"x")
    with pytest.raises(SlipwayError, match="2 of 3 objects have no file here"):
        push_media(site, console(yes=True), bucket=there, delete=True)


def test_an_order_that_was_not_announced_ends_no_later_push(
    site: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "SETTLED", 0)
    there = MemoryBucket()
    for name in ("a", "b", "c"):
        write(site, name, name.encode())
    push(site, there)
    listed = [Object(name, 1, there.etags[name]) for name in ("c", "b", "a")]

    def listing(seeds: Sequence[str] | None = ()) -> Listing:
        return sharded(lambda *_: Page(listed, ""), seeds)

    monkeypatch.setattr(there, "listing", listing)
    capsys.readouterr()
    assert push(site, there) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == 3


def test_what_could_never_lie_here_is_not_deleted(
    site: Environment, full: MemoryBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.root / "data" / "media" / "docs").mkdir()
    write(site, "docs/manual", b"read it")
    push(site, full)
    # Those that pull-media refuses: a folder is called so, a file is where its folder should be,
    # or nothing on this disk may be called so.
    stay = {"docs", "a/below", "p/" + "ü" * 140}
    for name in stay:
        full.store(name, b"the only one", Meta(""), f"etag-{name}")
    push_media(site, console(yes=True), bucket=full, delete=True)
    assert stay < {*full.contents}
    assert "old" not in full.contents
    assert (
        "2 objects without a file stay: something here is called alike" in capsys.readouterr().err
    )


def test_a_file_that_comes_meanwhile_keeps_its_object(
    site: Environment, full: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = full.look

    def late(name: str) -> Object | None:
        write(site, "old", b"here again")
        return look(name)

    monkeypatch.setattr(full, "look", late)
    push_media(site, console(yes=True), bucket=full, delete=True)
    assert ("old" in full.contents, "gone" in full.contents) == (True, False)
