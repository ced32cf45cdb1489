import os
import stat
from pathlib import Path

import pytest

from slipway import baseimages, envfile, local
from slipway.command import Command, Result, Shell
from slipway.console import Console
from slipway.dsn import FileDsn, storage
from slipway.environment import read_variables
from slipway.errors import CommandError, ConfigurationError, Declined
from slipway.secrets import Secret

TEMPLATE = Path(__file__).resolve().parents[2] / "env" / "app.env.j2"
UP = "compose up --detach"


class FakeShell(Shell):
    """Record commands; those that hold the words `fails` end with an error."""

    def __init__(self, fails: str = "", says: str = "") -> None:
        self.fails, self.says = fails, says
        self.commands: list[Command] = []

    def run(
        self,
        command: Command,
        *,
        check: bool = True,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Result:
        self.commands.append(command)
        line = short(command)
        if check and self.fails and line.startswith(self.fails):
            raise CommandError("docker", "failed")
        return Result(0, self.says, "")

    @property
    def lines(self) -> list[str]:
        return [short(command) for command in self.commands]


def short(command: Command) -> str:
    words = list(command.argv)
    if "--file" in words:
        del words[words.index("--project-directory") : words.index("--file") + 2]
    return " ".join(words[1:])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "app.env.j2").write_text(TEMPLATE.read_text())
    return tmp_path


@pytest.fixture(autouse=True)
def base_images(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(baseimages, "ensure", lambda names, *_: asked.extend(names))
    monkeypatch.setattr(local, "package_index", lambda: {"PIP_INDEX_URL": Secret("hidden")})
    return asked


def test_first_use_writes_the_env_file_for_its_owner_and_makes_the_media_folder(root: Path) -> None:
    local.prepare(root, Console())
    path = root / "env" / "local.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (root / "data" / "media").stat().st_uid == os.getuid()
    variables = read_variables(path)
    dsn = variables["DEFAULT_STORAGE_DSN"]
    assert dsn.reveal() == "file:///data/media/?url=%2Fmedia%2F"
    assert storage(dsn) == FileDsn("/data/media/", "/media/")
    assert variables["DEBUG"].reveal() == "True"
    assert len(variables["SECRET_KEY"].reveal()) >= 50


def test_what_is_there_is_left_alone(root: Path) -> None:
    envfile.write(root / "env" / "local.env", "DEBUG=False\n")
    (root / "data" / "media").mkdir(parents=True)
    (root / "data" / "media" / "a.txt").write_text("mine")
    local.prepare(root, Console())
    assert (root / "env" / "local.env").read_text() == "DEBUG=False\n"
    assert (root / "data" / "media" / "a.txt").read_text() == "mine"


def test_up_builds_then_starts_then_migrates(root: Path, base_images: list[str]) -> None:
    shell = FakeShell()
    local.up(root, Console(), shell)
    assert base_images == ["python:3.13-slim-trixie", "postgres:17-trixie"]
    build, up, migrate = shell.lines
    assert build.startswith("buildx build --load --tag slipway-local ")
    assert build.endswith(str(root / "app"))
    assert up.startswith(UP)
    assert "--wait" in up
    assert migrate == "compose exec --no-TTY web python manage.py migrate --noinput"
    assert "hidden" not in " ".join(shell.lines)


def test_a_site_that_does_not_start_shows_its_log(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = FakeShell(fails=UP, says="web-1 | no database\n")
    with pytest.raises(CommandError):
        local.up(root, Console(), shell)
    assert "web-1 | no database" in capsys.readouterr().err
    assert shell.lines[-1].startswith("compose logs")


def test_down_keeps_the_volumes(root: Path) -> None:
    shell = FakeShell()
    local.down(root, Console(), shell)
    assert shell.lines == ["compose down --remove-orphans"]


def test_down_removes_the_volumes_only_when_told_twice(root: Path) -> None:
    shell = FakeShell()
    with pytest.raises(Declined):
        local.down(root, Console(), shell, volumes=True)
    assert shell.lines == []
    local.down(root, Console(assume_yes=True), shell, volumes=True)
    assert shell.lines == ["compose down --remove-orphans --volumes"]


def test_containers_run_as_the_person_and_change_with_the_env_file(root: Path) -> None:
    before = local.compose(root, "ps").env
    envfile.write(root / "env" / "local.env", "A=1\n")
    first = local.compose(root, "ps").env
    envfile.write(root / "env" / "local.env", "A=2\n")
    second = local.compose(root, "ps").env
    assert first["SLIPWAY_UID"] == str(os.getuid())
    assert first["SLIPWAY_GID"] == str(os.getgid())
    assert len({str(env["SLIPWAY_ENV"]) for env in (before, first, second)}) == 3


def test_a_command_line_is_split_as_a_shell_would(root: Path) -> None:
    command = local.manage_command(root, "loaddata 'my file.json' --verbosity 2", terminal=True)
    assert command.argv[-7:] == (
        "web", "python", "manage.py", "loaddata", "my file.json", "--verbosity", "2"
    )  # fmt: skip
    assert "--no-TTY" not in command.argv
    with pytest.raises(ConfigurationError, match="a quote is not closed"):
        local.manage_command(root, "shell -c 'print(1)")


def test_manage_needs_a_running_site(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"not running; run 'invoke local.up'"):
        local.manage(root, Console(), "check", FakeShell(says=""))


def test_manage_returns_the_exit_code(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = FakeShell(says="0123abc\n")
    monkeypatch.setattr(local, "manage_command", lambda *_, **__: Command.of("sh", "-c", "exit 7"))
    assert local.manage(root, Console(), "check", shell) == 7


def test_a_script_gets_its_secrets_by_standard_input(root: Path) -> None:
    command = local.script(root, "import sys", stdin=Secret("password"))
    assert command.argv[-3:] == ("shell", "-c", "import sys")
    assert command.stdin == Secret("password")
