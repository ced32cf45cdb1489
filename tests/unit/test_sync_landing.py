from pathlib import Path

import pytest

from slipway.sync.landing import InTheWay, Landing, arrival, stamp_in
from slipway.sync.scan import Stamp

MODIFIED = 1_600_000_000_000_000_001


def land(top: Path, name: str, content: bytes, before: Stamp | None = None) -> None:
    with Landing(top) as landing, arrival(landing, name, "etag") as file:
        file.restart()
        file.write(content)
        file.land(MODIFIED, before)


def test_a_file_lands_with_its_folders_and_its_time(tmp_path: Path) -> None:
    land(tmp_path, "a/b/c.txt", b"content")
    path = tmp_path / "a" / "b" / "c.txt"
    assert path.read_bytes() == b"content"
    assert path.stat().st_mtime_ns == MODIFIED
    assert list(path.parent.iterdir()) == [path]


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    path.chmod(0o640)
    land(tmp_path, "a.txt", b"new", Stamp.of(path.stat()))
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)


@pytest.mark.parametrize("edit", ["written", "removed", "appeared"])
def test_what_changed_meanwhile_is_kept(tmp_path: Path, edit: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    before = None if edit == "appeared" else Stamp.of(path.stat())
    if edit == "written":
        path.write_bytes(b"edited")
    if edit == "removed":
        path.unlink()
    there = path.read_bytes() if path.exists() else None
    with pytest.raises(InTheWay):
        land(tmp_path, "a.txt", b"new", before)
    assert (path.read_bytes() if path.exists() else None) == there


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_link_or_folder_of_the_same_name_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "media" / "a.txt"
    path.parent.mkdir()
    outside = tmp_path / "outside"
    outside.write_bytes(b"outside")
    path.symlink_to(outside) if kind == "link" else path.mkdir()
    with pytest.raises(InTheWay, match="in the way"):
        land(path.parent, "a.txt", b"new")
    assert outside.read_bytes() == b"outside"


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "media" / "way").symlink_to(tmp_path / "outside")
    with pytest.raises(InTheWay, match="a link or a file is in the way of its folder way"):
        land(tmp_path / "media", "way/a.txt", b"new")
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "media").symlink_to(tmp_path / "disk")
    land(tmp_path / "media", "a.txt", b"new")
    assert (tmp_path / "disk" / "a.txt").read_bytes() == b"new"


def test_removal_spares_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    stamp = Stamp.of(path.stat())
    path.write_bytes(b"edited")
    with Landing(tmp_path) as landing:
        with pytest.raises(InTheWay):
            landing.remove("a.txt", stamp)
        assert path.read_bytes() == b"edited"
        landing.remove("a.txt", Stamp.of(path.stat()))
    assert not path.exists()


def test_leftovers_go_but_for_those_still_wanted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in (".slipway-1.part", "a/.slipway-2.part", "a/kept.txt"):
        (tmp_path / name).write_bytes(b"x")
    with Landing(tmp_path) as landing:
        landing.sweep(kept={".slipway-2.part"})
    there = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert there == ["a/.slipway-2.part", "a/kept.txt"]


def test_this_disk_tells_names_apart(tmp_path: Path) -> None:
    with Landing(tmp_path) as landing:
        assert not landing.folds()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_there(tmp_path: Path) -> None:
    with Landing(tmp_path) as landing, landing.folder("a.txt") as folder:
        assert stamp_in(folder, "a.txt") is None
