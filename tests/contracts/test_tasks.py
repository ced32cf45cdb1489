"""Keep the tasks documented and wired."""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from invoke.loader import FilesystemLoader

from slipway import reference
from tasks import namespace

ROOT = Path(__file__).resolve().parents[2]
DECLARED = sorted((ROOT / "slipway" / "tasks").glob("*.py"))


def calls() -> list[ast.Call]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in DECLARED]
    return [
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "call"
    ]


def test_the_collection_loads_as_invoke_loads_it() -> None:
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    assert module.namespace.task_names


@pytest.mark.parametrize("name", reference.names(namespace))
def test_each_task_is_documented(name: str) -> None:
    assert reference.summary(namespace, name).endswith(".")
    options = reference.arguments(namespace, name)
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", reference.names(namespace))
def test_the_environment_is_e_in_every_task(name: str) -> None:
    flags = {flag: option.name for option in reference.arguments(namespace, name)
             for flag in option.names if len(flag) == 1}  # fmt: skip
    names = {option.name for option in reference.arguments(namespace, name)}
    assert flags.get("e") == ("env" if "env" in names else None)


@pytest.mark.parametrize("name", reference.names(namespace))
def test_h_is_help_in_every_task(name: str) -> None:
    found = {flag for option in reference.arguments(namespace, name) for flag in option.names}
    assert "h" not in found


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.args[0].value)
def test_each_task_calls_a_flow_with_its_options(call: ast.Call) -> None:
    target = call.args[0]
    assert isinstance(target, ast.Constant)
    module, _, function = str(target.value).partition(":")
    flow = getattr(import_module(f"slipway.{module}"), function)
    given = {word.arg: None for word in call.keywords}
    options = {str(k): v for k, v in given.items() if k not in {"env", "yes", "json", "ask"}}
    inspect.signature(flow).bind("subject", "console", **options)


def test_the_table_of_contents_is_short() -> None:
    assert (ROOT / "tasks.py").read_text(encoding="utf-8").count("\n") <= 120


def test_listing_the_tasks_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, tasks; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    loaded = set(said.split())
    assert loaded.isdisjoint({"ansible", "boto3", "docker", "obstore", "rich", "jinja2"})


def test_listing_the_tasks_is_quick() -> None:
    import subprocess
    import sys
    from resource import RUSAGE_CHILDREN, getrusage

    def taken(option: str) -> float:
        """Return the processor time of Invoke in seconds: what else runs makes it wait longer."""
        before = getrusage(RUSAGE_CHILDREN)
        invoke = Path(sys.executable).with_name("invoke")
        subprocess.run([invoke, option], cwd=ROOT, capture_output=True, check=True)
        after = getrusage(RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    times = [(taken("--list"), taken("--version")) for _ in range(5)]
    listing, bare = (min(column) for column in zip(*times, strict=True))
    # Where many share a processor, its caches are lost, and Invoke alone needs longer too.
    assert listing < 0.4 or listing < 1.5 * bare
