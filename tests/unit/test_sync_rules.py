import random
import subprocess
from pathlib import Path

import pytest

from slipway.settings.media import Media
from slipway.sync.rules import Rules
from slipway.sync.scan import Scan, walk

PIECES = ("*", "**", "a", "b", "*.t", "a*", "?", "[ab]", "a.j", "c")
FOLDERS = ("", "a/", "b/", "a/a/", "a/b/", "a/b/a/", "b/a.t/", "a.t/", "a.t/b/")


def test_what_lies_in_an_excluded_folder_is_left_out_too() -> None:
    rules = Rules(Media(exclude=("cache/", "*.tmp", "!keep.tmp")))
    names = ("cache/a", "x/cache/y/b", "c.tmp", "x/.DS_Store", "keep.tmp", "cache", "d.jpg")
    assert [name for name in names if rules.left_out(name)] == list(names[:4])


@pytest.mark.parametrize(
    ("exclude", "sent", "left_out"),
    [
        (("*", "!*/", "!*.jpg"), ("a.jpg", "x/b.jpg"), ("a.txt", "x/b.txt")),
        (("cache/**", "!cache/keep.txt"), ("cache/keep.txt", "cache"), ("cache/a", "cache/b/")),
        (("x/**/",), ("x/", "x/a"), ("x/y/", "x/y/a")),
        (("x/*", "!/x/y/**"), ("x/",), ("x/y/", "x/y/a.jpg")),
    ],
)
def test_a_later_pattern_takes_back_only_what_it_names_itself(
    exclude: tuple[str, ...], sent: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    rules = Rules(Media(exclude=exclude))
    assert [name for name in (*sent, *left_out) if rules.left_out(name)] == list(left_out)


def test_patterns_mean_what_they_mean_to_git(tmp_path: Path) -> None:
    chance = random.Random(1)
    top, listed = tmp_path / "media", tmp_path / "exclude"
    names = {f"{folder}{name}" for folder in FOLDERS for name in ("a.j", "b.t", "c", "ab")}
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    git = ("git", f"--git-dir={tmp_path}/git", f"--work-tree={top}")
    subprocess.run([*git, "init", "--quiet"], check=True)
    for _ in range(100):
        exclude = tuple(_pattern(chance) for _ in range(chance.randint(1, 4)))
        listed.write_text("\n".join(exclude))
        words = [*git, "ls-files", "--others", f"--exclude-from={listed}"]
        shown = subprocess.run(words, check=True, capture_output=True, text=True, cwd=top)
        rules, wanted = Rules(Media(exclude=exclude)), set(shown.stdout.split())
        walked = {file.name for file in walk(top, Scan(), excluded=rules.excluded)}
        judged = {name for name in names if not rules.left_out(name)}
        assert (exclude, walked ^ wanted, judged ^ wanted) == (exclude, set(), set())


def _pattern(chance: random.Random) -> str:
    words = "/".join(chance.choices(PIECES, k=chance.randint(1, 3)))
    return f"{chance.choice(('', '', '!'))}{chance.choice(('', '/'))}{words}" + chance.choice("/ ")


def test_without_settings_nothing_is_excluded_and_nothing_added() -> None:
    rules = Rules(Media())
    assert not rules.excluded("a.tmp")
    assert rules.meta_of("a.css") == ("text/css", "", 0)
