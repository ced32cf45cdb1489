import os
from pathlib import Path

import pytest

from slipway.sync.pushed import Noted, Pushed


@pytest.fixture
def pushed(tmp_path: Path) -> Pushed:
    return Pushed(tmp_path, "test", "http://server/bucket/")


def test_the_last_push_that_took_something_away_is_remembered(pushed: Pushed) -> None:
    assert pushed.objects() == {}
    pushed.begin(["b", "a", "never sent"])
    pushed.sends("a", "1")
    pushed.sends("a", "2")
    pushed.deletes("b", "3")
    pushed.end()
    first = {
        "a": Noted(was_there=True, sent=("1", "2")),
        "b": Noted(was_there=True, deleted="3"),
    }
    assert pushed.objects() == first
    pushed.begin([])
    pushed.sends("new", "4")
    assert pushed.objects() == {**first, "new": Noted(sent=("4",))}
    pushed.begin(["c"])
    pushed.sends("c", "5")
    assert pushed.objects() == {"c": Noted(was_there=True, sent=("5",))}


@pytest.mark.parametrize("name", ["a", 'a", ', 'a", "b', "a\\"])
def test_an_interrupted_push_and_the_next_one_are_one(pushed: Pushed, name: str) -> None:
    pushed.begin([name])
    pushed.sends(name, "1")
    pushed.begin(["b"])
    pushed.sends("b", "2")
    pushed.end()
    assert sorted(pushed.objects()) == sorted([name, "b"])
    pushed.begin(["c"])
    pushed.sends("c", "3")
    assert list(pushed.objects()) == ["c"]
    pushed.forget()
    assert pushed.objects() == {}


def test_half_a_line_harms_no_other(pushed: Pushed, tmp_path: Path) -> None:
    pushed.begin(["a"])
    pushed.sends("a", "1")
    with (tmp_path / "media-test.pushed.json").open("a") as file:
        file.write('["b", "')
    pushed.begin(["c"])
    pushed.sends("c", "2")
    assert sorted(pushed.objects()) == ["a", "c"]


def test_a_disk_that_takes_half_a_line_is_full(
    pushed: Pushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed.begin(["a", "b"])
    write, lengths = os.write, [3]
    monkeypatch.setattr(os, "write", lambda f, data: write(f, data[: (lengths or [99]).pop()]))
    with pytest.raises(OSError, match="No space left"):
        pushed.sends("a", "1")
    pushed.sends("b", "2")
    assert pushed.objects()["b"].sent == ("2",)
    assert pushed.objects().get("a", Noted()).sent == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not one of this version"),
        ('{"names": ["a"], "over": true}', "is not one of this version"),
        ('{"place": "http://other/bucket/"}\n["a"]\n["a", "1"]',
         "is of another storage, http://other/bucket/"),
    ],
)  # fmt: skip
def test_a_note_that_is_not_ours_is_no_note_and_makes_room_for_the_next(
    pushed: Pushed, tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "media-test.pushed.json").write_text(text)
    assert (pushed.objects(), pushed.refused()) == ({}, reason)
    pushed.begin(["b"])
    pushed.sends("b", "1")
    assert (list(pushed.objects()), pushed.refused()) == (["b"], "")
