import io
import json
import subprocess
import sys

import pytest
from rich.console import Console as RichConsole

from slipway.command import Command, Shell
from slipway.console import Console, seconds, size
from slipway.errors import Declined

FAILURE = {"error": "x: y; z", "exit_code": 1}


def test_with_json_standard_output_holds_one_object_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console(as_json=True)
    console.title("Deploy")
    with console.step("build") as notes:
        notes.append("2 layers")
    console.say("done")
    console.result(FAILURE)
    out, err = capsys.readouterr()
    assert json.loads(out) == FAILURE
    assert "build  2 layers" in err


def test_without_json_the_result_is_not_printed_twice(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.say("done [bold]")
    console.result(FAILURE)
    console.warn("look")
    out, err = capsys.readouterr()
    assert out == "  done [bold]\n"
    assert err == "! look\n"


def test_nobody_at_the_terminal_means_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(Declined, match="add --yes"):
        Console().confirm("Go?")
    Console(assume_yes=True).confirm("Go?")


@pytest.mark.parametrize(
    ("answer", "typed", "agreed"),
    [
        ("y", "", True),
        ("", "", False),
        ("n", "", False),
        ("live", "live", True),
        ("y", "live", False),
    ],
)
def test_live_must_be_typed(
    monkeypatch: pytest.MonkeyPatch, answer: str, typed: str, agreed: bool
) -> None:
    stdin = io.StringIO(answer + "\n")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    if agreed:
        Console().confirm("Go?", type_name=typed)
    else:
        again = f"type {typed}" if typed else "answer yes"
        with pytest.raises(Declined, match=f"nothing was done; run it again and {again}"):
            Console().confirm("Go?", type_name=typed)


@pytest.mark.parametrize("typed", ["", "live"])
def test_an_end_of_the_input_is_no(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    stdin = io.StringIO()
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(Declined, match="nothing was done"):
        Console().confirm("Go?", type_name=typed)
    assert capsys.readouterr().err.endswith(" \n")


def test_durations_and_sizes_are_for_people() -> None:
    assert [seconds(value) for value in (0.04, 12.3, 125)] == ["0.0 s", "12 s", "2 min 05 s"]
    assert [size(value) for value in (950, 1200, 6.2e6, 3e12)] == [
        "950 B", "1.2 kB", "6.2 MB", "3000.0 GB"]  # fmt: skip


def test_a_long_line_is_folded_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.say("word " * 40)
    assert capsys.readouterr().out.count("\n") == 1
    console.out = RichConsole(force_terminal=True, width=80, soft_wrap=True, color_system=None)
    console.say("word " * 40)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("      word") for line in lines[1:])


def test_columns_that_do_not_fit_stand_on_a_second_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console()
    console.out = RichConsole(force_terminal=True, width=40, soft_wrap=True, color_system=None)
    console.table(("name", "when", "what"), [("a" * 20, "b" * 10, "c" * 10), ("a", "b", "")])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:4] == ["a" * 20 + "  " + "b" * 10, "    " + "c" * 10]
    assert lines[0:2] == ["name" + " " * 18 + "when", "    what"]
    assert lines[4:] == ["a" + " " * 21 + "b"]


def test_a_reader_that_has_gone_causes_no_traceback() -> None:
    code = (
        "import sys; from slipway.console import Console\n"
        "sys.stdin.read(); Console(as_json=True).result({'a': 1})"
    )
    process = Shell().start(Command.of(sys.executable, "-c", code), stdin=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_the_times_of_a_part_are_added_up() -> None:
    console = Console(as_json=True)
    for part in ("storage", "hosts", "storage", ""):
        with console.step("step", part):
            pass
    assert set(console.parts) == {"storage", "hosts"}
    assert all(0 <= took < 1 for took in console.parts.values())
