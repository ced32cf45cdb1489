import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slipway import pull as pulling
from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import Declined, HostError, PartialTransfer, SlipwayError, StorageError
from slipway.pull import pull_media
from slipway.secrets import Secret
from slipway.settings.hosts import Host
from slipway.settings.media import Media
from slipway.sync import etags, fetch, landing
from slipway.sync.scan import Stamp
from tests.unit.bucket import MemoryBucket
from tests.unit.factory import environment


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.001)


@pytest.fixture
def site(tmp_path: Path) -> Environment:
    return environment(root=tmp_path)


def bucket(**contents: bytes) -> MemoryBucket:
    made = MemoryBucket()
    for name, content in contents.items():
        made.store(name, content, "text/plain", etags.of_bytes(content))
    return made


def pull(site: Environment, there: MemoryBucket, **options: Any) -> int:
    yes = options.pop("yes", False)
    return pull_media(site, Console(as_json=True, assume_yes=yes), bucket=there, **options)


def local(site: Environment) -> dict[str, bytes]:
    folder = site.root / "data" / "media"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(site: Environment, name: str, content: bytes) -> None:
    folder = site.root / "data" / "media"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def test_the_result_is_one_json_object(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull(site, bucket(a=b"12345")) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.pop("seconds") >= 0
    assert said == {
        "downloaded": 1,
        "skipped": 0,
        "deleted": 0,
        "failed": 0,
        "bytes_received": 5,
        "requests": 2,
    }
    assert local(site) == {"a": b"12345"}


def test_people_get_one_line(site: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    pull_media(site, Console(), bucket=bucket(a=b"12345"))
    assert "  1 file fetched (5 B), 0 unchanged, verified, 0." in capsys.readouterr().out


def test_the_second_run_fetches_nothing(site: Environment) -> None:
    there = bucket(a=b"12345")
    pull(site, there)
    there.requests = 0
    pull(site, there)
    assert there.requests == 1


@pytest.mark.parametrize("harm", ["damages", "cuts"])
def test_passing_harm_is_mended_and_lasting_harm_changes_nothing(
    site: Environment, harm: str
) -> None:
    write(site, "a", b"old")
    there = bucket(a=b"12345")
    setattr(there, harm, 2)
    assert pull(site, there) == 0
    assert local(site) == {"a": b"12345"}
    there = bucket(a=b"67890", b=b"x")
    setattr(there, harm, 100)
    with pytest.raises(SlipwayError, match=r"could not be fetched|cut"):
        pull_media(site, Console(), bucket=there)
    assert local(site) == {"a": b"12345"}


def test_etags_that_are_no_md5_are_verified_by_a_second_reading(site: Environment) -> None:
    there = MemoryBucket(opaque=True)
    there.store("a", b"12345", "text/plain", "any")
    assert pull(site, there) == 0
    assert there.requests == 4  # once more, after whatever else may tell that ETags are MD5s
    there.requests = 0
    there.damages = 1
    (site.root / "data" / "media" / "a").unlink()
    assert pull(site, there) == 0
    assert local(site) == {"a": b"12345"}
    assert there.requests == 5


def test_what_has_just_landed_is_known_whatever_its_etags_are(site: Environment) -> None:
    there = MemoryBucket(opaque=True)
    for number in range(3):
        there.store(f"f{number}", b"content", "text/plain", f"odd-{number}")
    assert pull(site, there) == 0
    there.requests = 0
    assert pull(site, there) == 0
    assert there.requests == 1


@pytest.mark.parametrize("known", [False, True])
def test_two_readings_that_agree_excuse_no_damage_where_etags_are_md5s(
    site: Environment, capsys: pytest.CaptureFixture[str], known: bool
) -> None:
    write(site, "bad", b"good")
    there = bucket(good=b"12345") if known else bucket(good=b"12345", bad=b"other")
    assert pull(site, there) == 0
    capsys.readouterr()
    there.store("bad", b"damaged where it lies", "text/plain", etags.of_bytes(b"as it was sent"))
    assert pull(site, there) == 9
    assert "bad: arrived with other content" in capsys.readouterr().err
    assert local(site)["bad"] == (b"good" if known else b"other")


def test_what_no_storage_takes_is_never_extra(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "report\\2024.pdf", "extra"):
        write(site, name, name.encode())
    assert pull(site, bucket(a=b"a", b=b"b"), delete=True, yes=True) == 0
    assert local(site).keys() == {"a", "b", "report\\2024.pdf"}
    assert "1 file with names that no storage takes: stay here" in capsys.readouterr().err


def test_more_than_half_of_what_is_here_does_not_go_however_much_comes(site: Environment) -> None:
    there = bucket(**{str(number): b"x" for number in range(20)})
    for name in ("a", "b", "0"):
        write(site, name, b"x")
    with pytest.raises(SlipwayError, match="2 of 3 files would be deleted, more than half"):
        pull(site, there, delete=True, yes=True)


def test_an_object_that_is_deleted_meanwhile_is_named(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    there = bucket(a=b"12345")

    def vanish(it: MemoryBucket) -> None:
        del it.contents["a"], it.etags["a"]

    there.before_fetch.append(vanish)
    with pytest.raises(PartialTransfer):
        pull_media(site, Console(), bucket=there)
    assert "a: was deleted in the storage meanwhile" in capsys.readouterr().err


def test_the_plan_is_shown_and_nothing_done(
    site: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    write(site, "old", b"old")
    write(site, "here", b"here")
    there = bucket(old=b"new!", new=b"new")
    assert pull_media(site, Console(), bucket=there, plan_only=True) == 2
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "  + new: 3 B",
        "  ~ old: 4 B",
        "  2 files to fetch (7 B), 0 unchanged, 1 only here",
    ]
    assert local(site) == {"old": b"old", "here": b"here"}


def test_deletion_wants_an_answer(site: Environment) -> None:
    there = bucket(a=b"a", b=b"b")
    write(site, "a", b"a")
    write(site, "extra", b"x")
    with pytest.raises(Declined):
        pull(site, there, delete=True)
    assert local(site) == {"a": b"a", "extra": b"x"}
    assert pull(site, there, delete=True, yes=True) == 0
    assert local(site) == {"a": b"a", "b": b"b"}


def test_an_empty_storage_empties_no_folder(site: Environment) -> None:
    write(site, "a", b"x")
    with pytest.raises(SlipwayError, match="1 of 1 file would be deleted, more than half"):
        pull(site, bucket(), delete=True, yes=True)
    assert local(site) == {"a": b"x"}


def test_what_cannot_fit_is_refused_before_anything_is_touched(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site, "a", b"old")
    monkeypatch.setattr(pulling, "MARGIN", 1 << 60)
    with pytest.raises(SlipwayError, match=r"data/media: 3 B are to come, and 0 B are free"):
        pull(site, bucket(a=b"new", b=b"new"))
    assert local(site) == {"a": b"old"}


def test_an_object_takes_the_place_of_a_file_that_the_disk_takes_for_it(
    site: Environment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing.Landing, "folds", lambda _: True)
    seen: dict[str, Stamp | None] = {}

    def land(file: Any, _: int, before: Stamp | None) -> Stamp:
        seen[file._leaf] = before
        return Stamp(0, 0, 0, 0)

    monkeypatch.setattr(landing.Arrival, "land", land)
    write(site, "Photo.JPG", b"old")
    there = bucket(**{"photo.jpg": b"new!", "other": b"other"})
    assert pull_media(site, Console(), bucket=there, plan_only=True) == 2
    assert "~ photo.jpg: 4 B" in capsys.readouterr().out
    pull(site, there)
    stamp = Stamp.of((site.root / "data" / "media" / "Photo.JPG").stat())
    assert seen == {"photo.jpg": stamp, "other": None}


def test_room_is_counted_by_what_the_disk_takes_for_one_name(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing.Landing, "folds", lambda _: True)
    monkeypatch.setattr(landing.Landing, "free", pulling.MARGIN + 5)
    write(site, "Photo.JPG", b"old!")
    with pytest.raises(SlipwayError, match="6 B are to come, and 5 B are free"):
        pull(site, bucket(**{"photo.jpg": b"new!!", "other": b"other"}))


@pytest.mark.parametrize(("free", "fits"), [(100, True), (99, False)])
def test_what_an_interrupted_run_has_left_is_not_counted_again(
    site: Environment, monkeypatch: pytest.MonkeyPatch, free: int, fits: bool
) -> None:
    for module in (pulling, fetch):
        monkeypatch.setattr(module, "LARGE", 300)
    content = bytes(range(250)) * 4
    there = bucket(film=content)
    temporary = landing.temporary_name("film", there.etags["film"])
    write(site, temporary, content[:900])
    write(site, ".slipway-dead.part", b"x")
    seen: list[bool] = []

    def room(_: object) -> int:
        seen.append(".slipway-dead.part" in local(site))
        return pulling.MARGIN + free

    monkeypatch.setattr(landing.Landing, "free", property(room))
    if fits:
        assert pull(site, there) == 0
        assert local(site) == {"film": content}
    else:
        with pytest.raises(SlipwayError, match="100 B are to come, and 99 B are free"):
            pull(site, there)
        assert local(site) == {temporary: content[:900]}
    assert seen == [False]


def test_what_is_excluded_is_neither_fetched_nor_deleted(site: Environment) -> None:
    write(site, "mine.tmp", b"x")
    there = bucket(**{"a.txt": b"a", "b.tmp": b"b", "c.txt": b"c"})
    excluding = replace(site, media=Media(exclude=("*.tmp",)))
    assert pull(excluding, there, delete=True, yes=True) == 0
    assert local(site) == {"a.txt": b"a", "c.txt": b"c", "mine.tmp": b"x"}


def test_a_host_that_goes_away_ends_the_pull_and_what_came_of_a_large_file_stays(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pulling, fetch):
        monkeypatch.setattr(module, "LARGE", 3)
    there = bucket(a=b"12345")

    def chunks(*_: object) -> Iterator[bytes]:
        yield b"123"
        raise HostError("host1", "does not answer", "")

    monkeypatch.setattr(there, "chunks", chunks)
    with pytest.raises(HostError, match="does not answer"):
        pull(site, there)
    assert list(local(site).values()) == [b"123"]


@pytest.mark.parametrize(
    ("path", "hosts", "words"),
    [
        ("/elsewhere/media/", 1, "names the folder /elsewhere/media, which is not kept"),
        ("/data/../etc/", 1, "is not kept on the host"),
        ("/data/media/", 2, "names a folder, and each of the 2 hosts has its own"),
    ],
)
def test_a_folder_that_cannot_be_reached_is_refused(
    site: Environment, path: str, hosts: int, words: str
) -> None:
    dsn = {"DEFAULT_STORAGE_DSN": Secret(f"file://{path}?url=%2Fmedia%2F")}
    machines = tuple(Host(f"host{number}", f"192.0.2.{number}") for number in range(hosts))
    with pytest.raises(StorageError, match=words):
        pull_media(environment(root=site.root, hosts=machines, variables=dsn), Console())


def test_an_environment_may_be_called_like_the_task(site: Environment) -> None:
    assert (
        pull_media(environment(name="pull", root=site.root), Console(), bucket=bucket(a=b"1")) == 0
    )
    assert local(site) == {"a": b"1"}


def test_a_file_with_two_names_loses_both(site: Environment) -> None:
    there = bucket(a=b"1", b=b"2", c=b"3")
    assert pull(site, there) == 0
    folder = site.root / "data" / "media"
    write(site, "d", b"4")
    os.link(folder / "d", folder / "e")
    assert pull(site, there, delete=True, yes=True) == 0
    assert sorted(local(site)) == ["a", "b", "c"]
    # Also where both are replaced.
    (folder / "a").unlink()
    os.link(folder / "b", folder / "a")
    for name in ("a", "b"):
        there.store(name, b"new", "text/plain", etags.of_bytes(b"new"))
    assert pull(site, there) == 0
    assert local(site) == {"a": b"new", "b": b"new", "c": b"3"}
