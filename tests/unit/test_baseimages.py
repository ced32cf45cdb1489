import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slipway import baseimages
from slipway.baseimages import DEBIAN, PYTHON, RECIPES, ensure, fingerprint, obtain
from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.errors import CommandError, ConfigurationError

POSTGRES = "postgres:17-trixie"
NO_NETWORK = "Error response from daemon: dial tcp: lookup registry: no such host"
NO_IMAGE = "Error response from daemon: manifest for x not found: manifest unknown"


class Engine(Shell):
    """Answer as docker would: `labels` are the images that are there, with their recipe."""

    def __init__(self, labels: dict[str, str] | None = None, pull: str = NO_NETWORK) -> None:
        self.labels = labels or {}
        self.pull = pull
        self.fails = ""
        self.done: list[str] = []

    def run(self, command: Command, **_: object) -> Result:
        words = command.argv
        if words[1:3] == ("image", "inspect"):
            label = self.labels.get(words[-1])
            return Result(1, "", "No such image") if label is None else Result(0, label, "")
        if words[1] == "pull":
            self.done.append(f"pull {words[-1]}")
            return Result(1 if self.pull else 0, "", self.pull)
        if words[0] == "apt-get":
            return Result(0, "trixie main http://mirror.invalid/\n", "")
        if words[1] == "import" or "build" in words:
            name = words[words.index("--tag") + 1] if "--tag" in words else words[-1]
            if name == self.fails:
                return Result(1, "first\n", "E: Unable to locate package\n")
            self.done.append(f"build {name}")
        return Result(0, "", "")

    def start(self, command: Command, **_: object) -> subprocess.Popen[bytes]:
        self.done.append(f"pull {command.argv[-1]}")
        code = f"import sys; sys.exit({self.pull!r} or 0)"
        return Shell().start(Command.of(sys.executable, "-c", code))


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(baseimages, "STATE", tmp_path / "images")
    return tmp_path / "images"


def test_what_is_there_is_left_alone() -> None:
    pulled = Engine(
        {POSTGRES: "", "slipway-sandbox-s3": fingerprint(RECIPES["slipway-sandbox-s3"])}
    )
    ensure([POSTGRES, "slipway-sandbox-s3"], pulled, Console())
    assert pulled.done == []


def test_a_registry_that_answers_spares_the_building(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine(pull="")
    ensure([POSTGRES], engine, Console())
    assert engine.done == [f"pull {POSTGRES}"]
    assert "postgres:17-trixie       pulled  " in capsys.readouterr().out


def test_parents_are_built_first_and_once() -> None:
    engine = Engine()
    ensure(list(RECIPES), engine, Console())
    built = [line for line in engine.done if line.startswith("build")]
    assert sorted(built) == sorted(f"build {name}" for name in RECIPES)
    for recipe in RECIPES.values():
        for parent in recipe.parents:
            assert built.index(f"build {parent}") < built.index(f"build {recipe.name}")


def test_without_a_network_the_registry_is_not_asked_for_each_image() -> None:
    engine = Engine()
    ensure([PYTHON], engine, Console())
    assert engine.done == [f"pull {PYTHON}", f"build {DEBIAN}", f"build {PYTHON}"]


def test_an_image_that_the_registry_lacks_says_nothing_about_the_others() -> None:
    engine = Engine(pull=NO_IMAGE)
    ensure([PYTHON], engine, Console())
    assert engine.done[:2] == [f"pull {PYTHON}", f"pull {DEBIAN}"]


def test_a_registry_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseimages, "FIRST_ANSWER_SECONDS", 0.2)
    engine = Engine({DEBIAN: ""})
    monkeypatch.setattr(
        engine, "start", lambda _: Shell().start(Command.of("sleep", "60")), raising=True
    )
    begin = time.monotonic()
    ensure([POSTGRES], engine, Console())
    assert engine.done == [f"build {POSTGRES}"]
    assert time.monotonic() - begin < 20


def test_own_images_are_never_looked_for_in_a_registry() -> None:
    engine = Engine({DEBIAN: ""}, pull="")
    ensure(["slipway-sandbox-host"], engine, Console())
    assert engine.done == ["build slipway-sandbox-host"]


def test_an_image_of_an_older_recipe_is_built_anew() -> None:
    engine = Engine({POSTGRES: "0000", DEBIAN: fingerprint(RECIPES[DEBIAN])})
    ensure([POSTGRES], engine, Console())
    assert f"build {POSTGRES}" in engine.done


def test_a_recipe_changes_with_its_files_and_with_those_of_its_parents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(baseimages, "ROOT", tmp_path)
    for folder in ("debian", "python"):
        (tmp_path / "compose" / "images" / folder).mkdir(parents=True)
    seen = {fingerprint(RECIPES[PYTHON])}
    (tmp_path / "compose" / "images" / "python" / "Dockerfile").write_text("FROM x")
    seen.add(fingerprint(RECIPES[PYTHON]))
    (tmp_path / "compose" / "images" / "debian" / "slim.apt").write_text("x")
    seen.add(fingerprint(RECIPES[PYTHON]))
    assert len(seen) == 3


def test_a_build_that_fails_says_its_last_words_and_keeps_the_rest(state: Path) -> None:
    engine = Engine({DEBIAN: ""})
    engine.fails = POSTGRES
    with pytest.raises(CommandError) as caught:
        ensure([POSTGRES], engine, Console())
    said = str(caught.value)
    assert said.startswith("postgres:17-trixie: cannot be built: E: Unable to locate package")
    assert (state / "postgres.log").read_text() == "first\nE: Unable to locate package\n"


def test_an_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigurationError, match=r"postgres:9: is not a known base image; known: d"
    ):
        ensure(["postgres:9"], Engine(), Console())


def test_an_image_without_a_recipe_is_pulled_unless_it_is_there() -> None:
    engine = Engine({"mine:1": "", DEBIAN: ""}, pull="")
    obtain(["mine:1", "postgis/postgis:17-3.5", DEBIAN], engine, Console())
    assert engine.done == ["pull postgis/postgis:17-3.5"]


def test_an_image_that_cannot_be_pulled_is_named_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"^mine:1: cannot be pulled: .*manifest unknown"):
        obtain(["mine:1"], Engine(pull=NO_IMAGE), Console())


def test_what_obtaining_says_stays_off_the_output_of_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    obtain(["mine:1"], Engine(pull=""), Console(as_json=True))
    said = capsys.readouterr()
    assert said.out == ""
    assert "pulled" in said.err


def test_the_command_line_gives_one_line_and_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert baseimages.main(["nothing"]) == ConfigurationError.exit_code
    assert capsys.readouterr().err.startswith("nothing: is not a known base image")


def test_recipes_and_folders_belong_together() -> None:
    folders = {path.name for path in (baseimages.ROOT / "compose" / "images").iterdir()}
    assert {recipe.folder for recipe in RECIPES.values()} == folders
    for recipe in RECIPES.values():
        path = baseimages.ROOT / "compose" / "images" / recipe.folder / "Dockerfile"
        if recipe.name == DEBIAN:
            assert not path.exists()
            continue
        text = path.read_text()
        for name, default in re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE):
            text = text.replace(f"${{{name}}}", default)
        starts = {line.split()[1] for line in text.splitlines() if line[:5] == "FROM "}
        assert starts == set(recipe.parents)
