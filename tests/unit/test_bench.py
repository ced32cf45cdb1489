import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from bench import harness
from bench.harness import Entry, Options
from bench.rows import Row, as_json, ratio
from bench.table import table

ROWS = [
    Row("one line", "slipway", (2.0, 1.0, 4.0), {"bytes": 120_000}),
    Row("one line", "kamal", (8.0, 6.0), {"bytes": 40_000_000}),
    Row("one line", "compose", (5.0,)),
    Row("one line", "engine", (1.6,), limit=True),
    Row("first", "slipway", (9.0,)),
    Row("first", "kamal", failed="RuntimeError: no proxy"),
]


def test_a_ratio_compares_the_medians_of_one_case_with_peers_alone() -> None:
    assert ratio(ROWS[0], ROWS) == 2.0 / 5.0
    apart = Row("one line", "half of it", (1.5,), apart=True)
    assert ratio(ROWS[0], [*ROWS, apart]) == 2.0 / 5.0
    assert "(apart)" in table([apart])
    assert json.loads(as_json([apart]))[0]["apart"] is True
    assert ratio(ROWS[0], ROWS, limit=True) == 2.0 / 1.6
    assert ratio(ROWS[4], ROWS) is None


def test_the_json_holds_every_run_and_the_ratio_of_ours_alone() -> None:
    first, second, *_, last = json.loads(as_json(ROWS))
    assert first == {
        "case": "one line", "tool": "slipway", "seconds": [2.0, 1.0, 4.0], "median": 2.0,
        "ratio_to_best_peer": 0.4, "ratio_to_limit": 1.25, "bytes": 120_000,
    }  # fmt: skip
    assert "ratio_to_best_peer" not in second
    assert (last["median"], last["failed"]) == (None, "RuntimeError: no proxy")


def test_the_table_has_a_line_for_each_row_and_says_what_failed() -> None:
    lines = table(ROWS).splitlines()
    assert lines[0].split() == ["case", "tool", "median", "runs", "to", "best", "peer", "bytes"]
    assert lines[2].split() == ["one", "line", "slipway", "2.00", "s", "1.00-4.00",
                                "0.40", "x", "120,000"]  # fmt: skip
    assert "(limit)" in lines[5]
    assert lines[-1] == "kamal, first: RuntimeError: no proxy"


def test_tools_take_turns_and_each_round_begins_with_another() -> None:
    ran: list[str] = []
    entries = [
        Entry("case", name, partial(ran.append, name), partial(ran.append, "-"))
        for name in ("a", "b")
    ]
    ticks = itertools.count()
    rows = harness.measure(entries, 3, clock=lambda: float(next(ticks)), say=len)
    assert [name for name in ran if name != "-"] == ["a", "b", "b", "a", "a", "b"]
    assert ran.count("-") == 6
    assert [(row.tool, row.seconds) for row in rows] == [("a", (1.0,) * 3), ("b", (1.0,) * 3)]


def test_a_tool_that_fails_is_not_run_again_and_the_others_go_on() -> None:
    tries: list[int] = []

    def fails() -> None:
        tries.append(1)
        raise RuntimeError("no\nproxy")

    entries = [Entry("case", "a", fails), Entry("case", "b", lambda: {"bytes": 7})]
    first, second = harness.measure(entries, 3, say=len)
    assert (first.failed, first.median, len(tries)) == ("RuntimeError: no proxy", None, 1)
    assert (len(second.seconds), second.extra) == (3, {"bytes": 7})


def test_out_of_time_each_case_still_has_one_round() -> None:
    entries = [Entry(case, "a", lambda: None) for case in ("x", "y")]
    rows = harness.measure(entries, 5, deadline=0.0, clock=lambda: 1.0, say=len)
    assert [len(row.seconds) for row in rows] == [1, 1]


def test_at_the_end_nothing_more_is_run_and_the_table_says_so() -> None:
    ticks = itertools.count()
    entries = [Entry(case, "a", lambda: None) for case in ("x", "y")]
    rows = harness.measure(entries, 5, end=4.0, clock=lambda: float(next(ticks)), say=len)
    assert [(len(row.seconds), row.failed) for row in rows] == [(2, ""), (0, "out of time")]


def test_the_command_prints_the_table_and_writes_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Options] = []

    @contextmanager
    def build(options: Options) -> Iterator[list[Entry]]:
        asked.append(options)
        yield [Entry("case", "slipway", lambda: {"bytes": 1})]

    path = tmp_path / "rows.json"
    assert harness.main("Try", build, ["--quick", "--json", str(path), "--rounds", "2"]) == 0
    assert capsys.readouterr().out.startswith("case")
    assert len(json.loads(path.read_text())[0]["seconds"]) == 2
    assert asked[0].quick
