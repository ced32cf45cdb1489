import io
import os
import stat
import tempfile
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway import envfile
from slipway.environment import read_variables
from slipway.errors import ConfigurationError
from slipway.secrets import Secret

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "app.env.j2").write_text("KEY={{ key | dotenv }}\nURL={{ url | dotenv }}\n")
    return tmp_path


NAMES = st.from_regex(r"[A-Z_]{1,3}", fullmatch=True)
# What people write into env files, and what they should not have.
LINES = st.sampled_from(
    ["A=1", "  B = two words  # why", "# A=old", "", "export C='x # y'", "A='z' # why", "D",
     'E="a\\nb"', "G=$A"]
)  # fmt: skip
TEXTS = st.lists(LINES, max_size=6).map("\n".join)


@given(TEXTS, NAMES, VALUES)
def test_setting_a_variable_changes_no_other(text: str, name: str, value: str) -> None:
    before, after = envfile.parse(text), envfile.parse(envfile.put(text, name, value))
    assert after.pop(name) == Secret(value)
    before.pop(name, None)
    assert after == before


@given(TEXTS, NAMES)
def test_removing_a_variable_changes_no_other(text: str, name: str) -> None:
    before, after = envfile.parse(text), envfile.parse(envfile.drop(text, name))
    before.pop(name, None)
    assert after == before


def test_comments_and_order_stay_when_a_variable_is_set_and_removed() -> None:
    text = "# Mine\nA=1 # why\n\n# Next\nB='x' # so\nC=3"
    assert envfile.put(text, "A", "a b") == "# Mine\nA='a b' # why\n\n# Next\nB='x' # so\nC=3"
    assert envfile.put(text, "B", "2") == "# Mine\nA=1 # why\n\n# Next\nB=2 # so\nC=3"
    assert envfile.put(text, "D", "4") == f"{text}\nD=4\n"
    assert envfile.drop(text, "B") == "# Mine\nA=1 # why\n\n# Next\nC=3"


@pytest.mark.parametrize("line", ["F='open", "="])
def test_a_line_that_cannot_be_read_is_named(line: str) -> None:
    with pytest.raises(ConfigurationError, match="line 2: cannot be read"):
        envfile.put(f"A=1\n{line}\n", "A", "x'")
    with pytest.raises(ConfigurationError, match="line 2: cannot be read"):
        envfile.drop(f"A=1\n{line}\n", "A")


def test_what_a_person_wrote_survives_new_values() -> None:
    present = "# Of the mail team\nMAIL=x # ask Jo\nKEY=old\n"
    wanted = "# Key\nKEY=new\nURL=http://x\n\n# Added by hand\nMAIL=x\n"
    found = envfile.merged(present, wanted)
    assert found == "# Of the mail team\nMAIL=x # ask Jo\nKEY=new\nURL=http://x\n"
    assert envfile.merged("", wanted) == wanted


@given(VALUES)
def test_any_value_is_read_back_unchanged(value: str) -> None:
    text = f"A={envfile.quoted(value)}\nB=after\n"
    assert dotenv_values(stream=io.StringIO(text), interpolate=False) == {"A": value, "B": "after"}


@settings(max_examples=30)
@given(VALUES)
def test_any_value_is_read_back_from_a_file(value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.env"
        envfile.write(path, envfile.put("", "A", value))
        assert dotenv_values(path, interpolate=False) == {"A": value}


def test_what_a_person_added_is_kept(root: Path) -> None:
    kept = {"KEY": Secret("old"), "MAIL_PASSWORD": Secret("it's $5 #1")}
    text = envfile.render(root, {"key": Secret("new"), "url": "http://x"}, kept)
    found = envfile.parse(text)
    assert found["KEY"] == Secret("new")
    assert found["MAIL_PASSWORD"] == Secret("it's $5 #1")
    assert text.endswith("# Added by hand\nMAIL_PASSWORD='it\\'s $5 #1'\n")


def test_a_variable_that_there_is_not_is_an_error(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"env/app.env.j2: 'url' is undefined"):
        envfile.render(root, {"key": "x"}, {})


def test_the_file_is_for_its_owner_alone_and_replaced_at_once(root: Path) -> None:
    path = root / "env" / "test.env"
    envfile.write(path, "A=1\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.stat().st_ino
    envfile.write(path, "A=2\n")
    assert path.stat().st_ino != first
    assert path.read_text() == "A=2\n"


def test_a_failed_write_leaves_the_old_file_and_no_rest(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "env" / "test.env"
    envfile.write(path, "A=1\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        envfile.write(path, "A=2\n")
    assert path.read_text() == "A=1\n"
    assert sorted(p.name for p in path.parent.iterdir()) == ["app.env.j2", "test.env"]


def test_differences_name_variables_and_no_values(root: Path) -> None:
    path = root / "env" / "test.env"
    assert envfile.differences(path, "A=1\n") == ["A"]
    envfile.write(path, "A=1\nB=2\n")
    assert envfile.differences(path, "A=1\nB=3\nC=4\n") == ["B", "C"]
    assert envfile.differences(path, "A=1\nB=2\n") == []


def test_a_file_that_somebody_changed_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "test.env"
    envfile.refuse_changed(path, {})
    path.write_text("A=1\n")
    loaded = read_variables(path)
    envfile.refuse_changed(path, loaded)
    path.write_text("A=1\nB=2\n")
    with pytest.raises(ConfigurationError, match=r"env/test\.env: has been changed since this run"):
        envfile.refuse_changed(path, loaded)
