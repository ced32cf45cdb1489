from pathlib import Path

from slipway.sync.pushed import Pushed


def test_the_last_push_that_took_something_away_is_remembered(tmp_path: Path) -> None:
    pushed = Pushed(tmp_path, "test")
    assert pushed.names() == []
    pushed.begin(["b", "a"])
    pushed.end()
    pushed.begin([])
    pushed.end()
    assert Pushed(tmp_path, "test").names() == ["a", "b"]
    pushed.begin(["c"])
    assert pushed.names() == ["c"]


def test_an_interrupted_push_and_the_next_one_are_one(tmp_path: Path) -> None:
    pushed = Pushed(tmp_path, "test")
    pushed.begin(["a"])
    pushed.begin(["b"])
    pushed.end()
    assert pushed.names() == ["a", "b"]
    pushed.forget()
    assert pushed.names() == []


def test_a_damaged_note_is_no_note(tmp_path: Path) -> None:
    (tmp_path / "media-test.pushed.json").write_text("{")
    assert Pushed(tmp_path, "test").names() == []
