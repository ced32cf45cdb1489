import json
from typing import Any

import pytest
from invoke.exceptions import Exit, ParseError

from slipway import cli
from slipway.console import Console
from slipway.errors import Declined, StorageError


def flow(monkeypatch: pytest.MonkeyPatch, outcome: Any) -> list[object]:
    """Put a flow in the place of `media:push_media` that raises or returns `outcome`."""
    from slipway import media

    seen: list[object] = []

    def run(subject: object, console: Console, **options: object) -> object:
        seen.extend([subject, console, options])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(media, "push_media", run)
    return seen


def fails(code: int, **options: Any) -> str:
    with pytest.raises(Exit) as caught:
        cli.call("media:push_media", env="test", **options)
    assert caught.value.code == code
    return str(caught.value.message)


def test_a_flow_gets_its_environment_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = flow(monkeypatch, {"uploaded": 1})
    cli.call("media:push_media", env="test", checksum=True)
    assert getattr(seen[0], "name", None) == "test"
    assert seen[2] == {"checksum": True}


def test_a_flow_without_environment_gets_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = flow(monkeypatch, 0)
    cli.call("media:push_media")
    assert seen[0] == cli.ROOT


def test_a_flows_number_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    flow(monkeypatch, 2)
    with pytest.raises(SystemExit) as caught:
        cli.call("media:push_media", env="test")
    assert caught.value.code == 2


def test_problems_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    flow(monkeypatch, StorageError("storage", "is away", "wait"))
    assert fails(5) == "storage: is away; wait (docs/oncall.md)"
    flow(monkeypatch, KeyboardInterrupt())
    assert "stopped by Ctrl-C" in fails(130)
    flow(monkeypatch, OSError(28, "No space left on device", "/data/x"))
    assert fails(1) == "/data/x: No space left on device; mend that and run it again"
    flow(monkeypatch, KeyError("gone"))
    assert "unexpected KeyError: 'gone'" in fails(1)


def test_a_failure_names_the_page_that_helps_once(monkeypatch: pytest.MonkeyPatch) -> None:
    flow(monkeypatch, StorageError("bucket", "refuses", "ask"))
    assert fails(5) == "bucket: refuses; ask (docs/oncall.md)"
    flow(monkeypatch, StorageError("bucket", "refuses", "see docs/rights.md"))
    assert fails(5) == "bucket: refuses; see docs/rights.md"


def test_whoever_debugs_sees_where_it_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    flow(monkeypatch, KeyError("gone"))
    monkeypatch.setenv("SLIPWAY_DEBUG", "1")
    with pytest.raises(KeyError):
        cli.call("media:push_media", env="test")


def test_with_json_a_failure_is_one_object_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flow(monkeypatch, KeyError("gone"))
    fails(1, json=True)
    assert json.loads(capsys.readouterr().out)["exit_code"] == 1


@pytest.mark.parametrize(("ask", "asked"), [("Replace {env}?", True), ("", False), (None, False)])
def test_a_question_comes_before_the_flow(
    monkeypatch: pytest.MonkeyPatch, ask: str | None, asked: bool
) -> None:
    seen = flow(monkeypatch, 0)
    questions: list[str] = []

    def confirm(_: Console, question: str, *, type_name: str = "") -> None:
        questions.append(question + type_name)
        raise Declined("", "no")

    monkeypatch.setattr(Console, "confirm", confirm)
    if asked:
        fails(8, ask=ask)
        assert questions == ["Replace test?"]
        assert seen == []
    else:
        cli.call("media:push_media", env="test", ask=ask)
        assert seen


def test_a_mistyped_task_is_answered_with_the_nearest() -> None:
    tasks = ["deploy", "destroy", "push-db", "sandbox.up"]
    for typed, meant in [("deplyo", "deploy"), ("pushdb", "push-db"), ("sandbox-up", "sandbox.up")]:
        with pytest.raises(ParseError, match=f"no task '{typed}'; did you mean '{meant}'"):
            cli.refuse_mistyped(tasks, [typed, "--env", "test"])
    for words in ([], ["--list"], ["deploy"], ["nothing-like-it"], ["--help=deploy"], ["-hdeploy"]):
        cli.refuse_mistyped(tasks, words)
