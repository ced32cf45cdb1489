import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from slipway.objects.shards import by_folders, by_letters
from slipway.sync.memory import Memory, Upload
from slipway.sync.scan import Problem, Scan, Stamp, scan, walk


def write(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)


def names(top: Path) -> list[str]:
    return sorted(file.name for file in scan(top).files)


def test_names_are_relative_and_kept_as_they_are(tmp_path: Path) -> None:
    wanted = ["a.txt", "b/c d/é.jpg", "nfc-\u00e9", "nfd-e\u0301", "back\\slash"]
    write(tmp_path, *wanted)
    assert names(tmp_path) == sorted(wanted)
    file = next(file for file in scan(tmp_path).files if file.name == "a.txt")
    status = (tmp_path / "a.txt").stat()
    assert file.path == str(tmp_path / "a.txt")
    assert file.stamp == (5, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def test_what_no_memory_could_hold_is_cut_off(memory: Memory) -> None:
    far = 2**63 + 5
    status: Any = Mock(st_size=5, st_mtime_ns=far, st_ctime_ns=1, st_ino=far)
    stamp = Stamp.of(status)
    memory.begin_upload(Upload("a", "identity", 5, 1, stamp))
    assert [upload.stamp for upload in memory.uploads()] == [stamp]
    status.st_mtime_ns = 1
    memory.learn("a", Stamp.of(status), "etag")
    memory.save()
    assert list(memory.known()) == ["a"]


def test_clutter_is_left_out_and_counted(tmp_path: Path) -> None:
    clutter = [".DS_Store", "x/Thumbs.db", "._photo.jpg", "~$letter.docx"]
    write(tmp_path, "film.part", "kept.TMP", "x/.hidden", *clutter)
    assert names(tmp_path) == ["film.part", "kept.TMP", "x/.hidden"]
    assert scan(tmp_path).left_out == len(clutter)


def test_links_are_followed_inside_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "real/a.txt")
    (tmp_path / "file").symlink_to("real/a.txt")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    assert names(tmp_path) == ["file", "folder/a.txt", "real/a.txt"]


def test_links_to_the_outside_are_reported(tmp_path: Path) -> None:
    top = tmp_path / "top"
    write(tmp_path, "secret", "top-secret/x")
    write(top, "a.txt")
    for name, target in {"f": "../secret", "d": "../top-secret", "n": "gone"}.items():
        (top / name).symlink_to(target)
    found = scan(top)
    assert [file.name for file in found.files] == ["a.txt"]
    outside = "is a link that leads out of the folder"
    assert sorted(found.problems) == [
        Problem("d", outside),
        Problem("f", outside),
        Problem("n", "No such file or directory"),
    ]


def test_loops_of_links_end(tmp_path: Path) -> None:
    write(tmp_path, "a/1", "b/2")
    (tmp_path / "a" / "x").symlink_to("../b")
    (tmp_path / "b" / "y").symlink_to("../a")
    (tmp_path / "self").symlink_to(".")
    found = scan(tmp_path)
    assert names(tmp_path) == ["a/1", "a/x/2", "b/2", "b/y/1"]
    back = "is a link that leads back to where it is"
    assert sorted(found.problems) == [
        Problem("a/x/y", back), Problem("b/y/x", back), Problem("self", back),
    ]  # fmt: skip


def test_a_top_folder_that_is_a_link_is_no_outside(tmp_path: Path) -> None:
    write(tmp_path, "real/a/b.txt")
    (tmp_path / "real" / "l").symlink_to("a/b.txt")
    (tmp_path / "top").symlink_to("real")
    assert names(tmp_path / "top") == ["a/b.txt", "l"]
    assert scan(tmp_path / "top").problems == []


def test_pipes_and_the_like_are_reported_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert scan(tmp_path).problems == [Problem("pipe", "is no ordinary file")]


def test_a_folder_that_cannot_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.txt", "shut/b.txt")
    really = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names(tmp_path) == ["a.txt"]
    assert scan(tmp_path).problems == [Problem("shut/", "Permission denied")]


def test_files_come_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    wanted = ["a/x", "a/y/z", "a-b", "a.txt", "a0", "B", "é", "a/y-z"]
    write(tmp_path, *wanted)
    (tmp_path / "a!link").symlink_to("a")
    for order in (by_letters, by_folders):
        found = [file.name for file in walk(tmp_path, Scan(), order)]
        assert found == sorted(found, key=order)
        assert set(found) > set(wanted)


def test_what_is_excluded_is_not_even_looked_into(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "cache/b.txt", "c.tmp")
    found = Scan()
    excluded = {"cache/", "c.tmp"}.__contains__
    assert [file.name for file in walk(tmp_path, found, excluded=excluded)] == ["a.txt"]
    assert found.left_out == 2
