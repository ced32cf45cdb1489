import io
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway import envvars
from slipway.console import Console
from slipway.environment import Environment, read_variables
from slipway.errors import ConfigurationError, Declined
from slipway.secrets import Secret
from tests.unit.factory import environment

HAND = "# Of the mail team\nMAIL_PASSWORD='p w' # ask Jo\n"
Stdin = Callable[[str], None]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Stdin:
    def _set(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return _set


def site(root: Path, name: str = "test", text: str = "A=1\nSECRET_KEY='s#1'\n") -> Environment:
    (root / "env").mkdir(exist_ok=True)
    path = root / "env" / f"{name}.env"
    path.write_text(HAND + text)
    return environment(root=root, name=name, variables=read_variables(path))


def run(site: Environment, json: bool = False, yes: bool = False, **options: Any) -> None:
    envvars.env_vars(site, Console(as_json=json, assume_yes=yes), **options)


def text(site: Environment) -> str:
    return site.env_file.read_text()


def test_the_list_shows_names_and_no_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(site(tmp_path))
    said = capsys.readouterr()
    assert said.out.split() == ["A=***", "MAIL_PASSWORD=***", "SECRET_KEY=***"]
    run(site(tmp_path), json=True)
    said = capsys.readouterr()
    assert json.loads(said.out)["names"] == ["A", "MAIL_PASSWORD", "SECRET_KEY"]
    assert "s#1" not in said.out + said.err


def test_get_prints_the_bare_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(site(tmp_path), get="SECRET_KEY")
    assert capsys.readouterr().out == "s#1\n"
    run(site(tmp_path), get="SECRET_KEY", json=True)
    assert json.loads(capsys.readouterr().out)["value"] == "s#1"


@pytest.mark.parametrize("option", ["get", "unset"])
def test_an_unknown_name_is_an_error_that_lists_the_known(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigurationError, match=r"env/test.env: has no B; known: A, MAIL"):
        run(site(tmp_path), False, False, **{option: "B"})


def test_set_takes_the_value_from_standard_input(tmp_path: Path, stdin: Stdin) -> None:
    here = site(tmp_path)
    stdin(" two\nlines $x \n\n")
    run(here, set_="A")
    assert read_variables(here.env_file)["A"] == Secret(" two\nlines $x \n")
    assert text(here).startswith(HAND)
    assert stat.S_IMODE(here.env_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("given", ["", "\n"])
def test_no_value_is_no_empty_one(tmp_path: Path, stdin: Stdin, given: str) -> None:
    here = site(tmp_path)
    before = text(here)
    stdin(given)
    with pytest.raises(ConfigurationError, match="nothing was given; --set A= makes it empty"):
        run(here, set_="A")
    assert text(here) == before
    run(here, set_="A=")
    assert not read_variables(here.env_file)["A"]


def test_set_takes_an_assignment_and_unset_removes(tmp_path: Path) -> None:
    here = site(tmp_path)
    run(here, set_="B=x=y")
    assert read_variables(here.env_file)["B"] == Secret("x=y")
    run(site(tmp_path, text="B=1\nC=2\n"), unset="B")
    assert text(here) == HAND + "C=2\n"


def test_setting_the_same_value_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site(tmp_path)
    inode = here.env_file.stat().st_ino
    run(here, set_="A=1", json=True)
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert here.env_file.stat().st_ino == inode


@pytest.mark.parametrize("assignment", ["1A=x", "A B=x", "=x", "A\0=x", "A=x\0"])
def test_what_no_variable_can_be_is_refused(tmp_path: Path, assignment: str) -> None:
    here = site(tmp_path)
    before = text(here)
    with pytest.raises(ConfigurationError, match="--set"):
        run(here, set_=assignment)
    assert text(here) == before


def test_live_is_changed_only_after_its_name_was_typed(tmp_path: Path, stdin: Stdin) -> None:
    here = site(tmp_path, "live")
    stdin("")
    with pytest.raises(Declined):
        run(here, set_="A=2")
    run(here, set_="A=2", yes=True)
    assert read_variables(here.env_file)["A"] == Secret("2")


def test_two_wishes_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one thing at a time"):
        run(site(tmp_path), get="A", unset="A")


def test_diff_names_variables_and_no_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site(tmp_path, "live", "A=2\nSECRET_KEY='s#1'\nB=hidden\n")
    here = site(tmp_path, text="A=1\nSECRET_KEY='s#1'\nC=hidden\n")
    run(here, diff="live")
    said = capsys.readouterr().out
    assert said.splitlines() == ["  only in test: C", "  only in live: B", "  other values: A"]
    with pytest.raises(ConfigurationError, match=r"env/nowhere.env: does not exist"):
        run(here, diff="nowhere")


def test_what_is_sealed_is_unsealed_unchanged(
    tmp_path: Path, stdin: Stdin, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site(tmp_path)
    before = text(here)
    stdin("correct horse\n")
    run(here, seal=True)
    sealed = tmp_path / "env" / "test.env.vault"
    assert sealed.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert "s#1" not in sealed.read_text()
    content = sealed.read_bytes()
    stdin("correct horse\n")
    run(here, seal=True)
    assert sealed.read_bytes() == content
    here.env_file.unlink()
    stdin("wrong\n")
    with pytest.raises(ConfigurationError, match=r"env/test.env.vault: cannot be opened"):
        run(here, unseal=True)
    assert not here.env_file.exists()
    stdin("correct horse\n")
    run(environment(root=tmp_path, variables={}), unseal=True)
    assert text(here) == before
    assert stat.S_IMODE(here.env_file.stat().st_mode) == 0o600
    assert "correct horse" not in capsys.readouterr().out


def test_unsealing_over_another_file_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdin: Stdin
) -> None:
    here = site(tmp_path)
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(secret))
    run(here, seal=True)
    newer = site(tmp_path, text="A=2\n")
    stdin("")
    with pytest.raises(Declined):
        run(newer, unseal=True)
    run(newer, unseal=True, yes=True)
    assert read_variables(newer.env_file)["A"] == Secret("1")


def test_a_password_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdin: Stdin
) -> None:
    here = site(tmp_path)
    stdin("")
    with pytest.raises(ConfigurationError, match="the password is empty"):
        run(here, seal=True)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="is no file"):
        run(here, seal=True)
    with pytest.raises(ConfigurationError, match="does not exist"):
        run(here, unseal=True)
