import json
import subprocess
import sys
from typing import Any

import pytest

from slipway import remote
from slipway.check_media import Row, check_media, compare, parse
from slipway.command import Command, Shell
from slipway.console import Console
from slipway.errors import CommandError
from slipway.objects.bucket import ObjectError
from slipway.settings.media import Media
from slipway.sync import etags
from slipway.sync.crew import beside
from slipway.sync.rules import Rules
from tests.unit.bucket import MemoryBucket
from tests.unit.factory import environment

RULES = Rules(Media(exclude=("cache/",)))


class Site(Shell):
    """Answer as the command in the container would."""

    def __init__(self, *lines: object, said: str = "", times: int = 1, code: int = 0) -> None:
        self.lines = "".join(f"{json.dumps(line)}\n" for line in lines)
        self.said = said
        self.times = times
        self.code = code

    def start(self, command: Command, **options: Any) -> subprocess.Popen[bytes]:
        assert command.argv[-1].endswith("manage.py cloud_files")
        program = "import sys; sys.stdout.write(sys.argv[1]); sys.stderr.write(sys.argv[2]"
        words = [
            sys.executable,
            "-c",
            f"{program} * {self.times}); sys.exit({self.code})",
            self.lines,
            self.said,
        ]
        return super().start(Command.of(*words), **options)


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "find", lambda _, env, __: (env.manager, "container"))


def bucket(*names: str) -> MemoryBucket:
    made = MemoryBucket()
    for name in names:
        made.contents[name], made.etags[name] = b"x", etags.of_bytes(b"x")
    return made


def row(name: str, number: int = 1) -> dict[str, str]:
    return {"field": "app.Model.file", "row": str(number), "name": name}


END = {"rows": 2, "elsewhere": []}


def test_everything_fits(capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(row("a"), row("b", 2), END)
    assert check_media(environment(), Console(), bucket=bucket("a", "b"), shell=site) == 0
    assert "0 files missing, 0 objects that no row names" in capsys.readouterr().out


def test_what_is_missing_and_what_nobody_names_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(row("a"), row("gone", 2), {"rows": 2, "elsewhere": ["app.Other.file"]})
    there = bucket("a", "orphan")
    assert check_media(environment(), Console(as_json=True), bucket=there, shell=site) == 11
    said = json.loads(capsys.readouterr().out)
    assert said["missing"] == [row("gone", 2)]
    assert (said["orphans"], said["elsewhere"]) == (["orphan"], ["app.Other.file"])


def test_what_came_after_the_listing_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    there = bucket("a", "late")
    late = there.contents.pop("late")
    site = Site(row("a"), row("late", 2), END)
    really = there.look

    def look(name: str) -> Any:
        there.contents["late"] = late
        return really(name)

    monkeypatch.setattr(there, "look", look)
    assert check_media(environment(), Console(), bucket=there, shell=site) == 0


def test_a_row_whose_name_the_storage_refuses_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there, asked = bucket("a"), list[str]()
    monkeypatch.setattr(there, "look", asked.append)
    odd = [row("/old/a.jpg", 2), row("x/../y", 3), row("b" * 1025, 4)]
    site = Site(row("a"), *odd, END)
    assert check_media(environment(), Console(as_json=True), bucket=there, shell=site) == 11
    assert json.loads(capsys.readouterr().out)["missing"] == odd
    assert asked == []


def test_a_storage_that_does_not_answer_makes_no_file_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look(name: str) -> Any:
        raise ObjectError(name, "answered 429", "run it again later")

    there = bucket("a")
    monkeypatch.setattr(there, "look", look)
    with pytest.raises(ObjectError, match="429"):
        check_media(environment(), Console(), bucket=there, shell=Site(row("b"), END))


def test_a_site_that_says_much_beside_its_rows_is_heard_to_the_end() -> None:
    site = Site(row("a"), END, said="no such table: x\n", times=20_000, code=1)
    checked = beside(lambda: check_media(environment(), Console(), bucket=bucket("a"), shell=site))
    with pytest.raises(CommandError, match="no such table: x; see"):
        checked(timeout=10)


def test_folders_and_excluded_objects_are_no_orphans() -> None:
    objects = {"a", "folder/", "cache/thumb.png", ".DS_Store"}
    assert compare([Row("f", "1", "a")], objects, RULES).orphans == []


def test_what_else_is_printed_is_passed_over() -> None:
    assert [parse(line) for line in ("WARNING: x", "[]", "{}", "3")] == [None] * 4
    assert parse(json.dumps(row("a\\b"))) == Row("app.Model.file", "1", "a/b")


@pytest.mark.parametrize(
    ("site", "line"),
    [
        (Site(row("a")), "did not come to its end"),
        (Site(said="Unknown command: 'cloud_files'", code=1), "deploy the present code first"),
        (Site(said="no such table: x\n", code=1), "no such table: x; see 'invoke logs'"),
    ],
)
def test_a_command_that_fails_is_one_line(site: Site, line: str) -> None:
    with pytest.raises(CommandError, match=line):
        check_media(environment(), Console(), bucket=bucket("a"), shell=site)
