from pathlib import Path

from bench import mediasets, plot
from bench.rows import Row


def test_sets_are_the_same_in_every_run(tmp_path: Path) -> None:
    sizes = mediasets.Sizes(60, 0, 0, 5, 3)
    for name in ("one", "two"):
        mediasets.small(tmp_path / name, sizes)
    before = dict(mediasets.contents(tmp_path / "one"))
    assert before == dict(mediasets.contents(tmp_path / "two"))
    assert len(before) == 60
    assert all(1_000 <= len(content) <= 50_000 for content in before.values())


def test_the_picture_has_a_bar_for_each_tool() -> None:
    rows = [
        Row("A <small>", "slipway", (1.0, 2.0, 3.0)),
        Row("A <small>", "other", (4.0,)),
        Row("A <small>", "bare", (1.0,), limit=True),
        Row("A <small>", "broken", failed="no"),
    ]
    drawn = plot.svg(rows, "Title")
    assert drawn.count("<rect") == 4
    assert "A &lt;small&gt;" in drawn
    assert "2.00 s" in drawn
    assert "broken" not in drawn
