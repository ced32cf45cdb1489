from pathlib import Path

import pytest

from slipway import baseimages, build
from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.engine import Engine
from slipway.errors import CommandError, DeployError
from slipway.release import Revision
from tests.unit.factory import ROOT
from tests.unit.fakeswarm import FakeSwarm


def test_the_image_is_built_from_app_alone() -> None:
    words = build.command(Path("/repo"), ["--label", "a=b"], Path("/tmp/id"))
    assert words[:4] == ["docker", "buildx", "build", "--load"]
    assert words[-3:] == ["--file", "/repo/app/Dockerfile", "/repo/app"]
    assert "--label" in words
    assert words[words.index("--iidfile") + 1] == "/tmp/id"


def test_the_image_says_which_revision_it_holds() -> None:
    label = build.label(Revision("ab12cd3", dirty=True))
    assert label == ["--label", "org.opencontainers.image.revision=ab12cd3-dirty"]


def test_hosts_of_another_architecture_get_an_image_of_theirs() -> None:
    assert build.platform("x86_64", "x86_64") == []
    assert build.platform("aarch64", "x86_64") == ["--platform", "linux/amd64"]
    assert build.platform("x86_64", "aarch64") == ["--platform", "linux/arm64"]
    assert build.platform("x86_64", "riscv64") == []


def test_base_images_are_read_from_the_dockerfile() -> None:
    text = "# FROM no:1\nFROM --platform=linux/amd64 a:1 AS one\nRUN x\nfrom b:2\nFROM a:1\n"
    assert build.base_images(text) == ["a:1", "b:2"]
    own = build.base_images((ROOT / "app" / "Dockerfile").read_text(encoding="utf-8"))
    assert set(own) <= set(baseimages.RECIPES)


def git(root: Path, *words: str) -> None:
    person = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    Shell().run(Command.of("git", "-C", root, *person, *words))


def test_the_revision_is_the_last_commit_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a").write_text("1")
    git(tmp_path, "init", "--quiet")
    assert build.revision(Shell(), tmp_path, "app") == Revision()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    first = build.revision(Shell(), tmp_path, "app")
    assert len(first.commit) >= 7
    (tmp_path / "README").write_text("outside")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "two")
    assert build.revision(Shell(), tmp_path, "app") == first
    (tmp_path / "app" / "b").write_text("new")
    assert build.revision(Shell(), tmp_path, "app") == Revision(first.commit, dirty=True)


class Fake(Shell):
    """Answer every command in the same way; build writes the id file."""

    def __init__(self, code: int = 0, stderr: str = "", missing: bool = False) -> None:
        self.result = Result(code, "", stderr)
        self.missing = missing

    def run(self, command: Command, **_: object) -> Result:
        if self.missing:
            raise CommandError(command.name, "is not installed")
        if "--iidfile" in command.argv and self.result.code == 0:
            words = list(command.argv)
            Path(words[words.index("--iidfile") + 1]).write_text("sha256:abc\n")
        return self.result


def test_without_git_there_is_no_revision(tmp_path: Path) -> None:
    assert build.revision(Fake(missing=True), tmp_path, "app") == Revision("nogit")
    assert build.revision(Fake(code=128), tmp_path, "app") == Revision("nogit")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(baseimages, "ensure", lambda *_: None)
    return FakeSwarm().engine


def test_a_build_returns_the_image_id(engine: Engine) -> None:
    assert build.build(Fake(), Console(), engine, ROOT, []) == "sha256:abc"


def test_a_build_that_fails_shows_its_end_and_says_one_line(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "".join(f"line {number}\n" for number in range(100)) + "ERROR: no such package\n"
    with pytest.raises(DeployError, match="cannot be built: ERROR: no such package"):
        build.build(Fake(1, said), Console(), engine, ROOT, [])
    shown = capsys.readouterr().err.splitlines()
    assert shown[-1] == "    ERROR: no such package"
    assert len(shown) == build.LINES_SHOWN


def test_a_failed_build_names_the_error_of_the_program_that_failed() -> None:
    said = (
        "#9 RUN x\n#9 1.02 Traceback\n#9 1.03 NameError: name 'y' is not defined\nERROR: exit 1\n"
    )
    assert build.cause(Result(1, "", said)) == "NameError: name 'y' is not defined"
    assert build.cause(Result(1, "", "ERROR: no space left\n")) == "ERROR: no space left"
