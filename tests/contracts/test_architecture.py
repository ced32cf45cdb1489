"""Keep the shape of the code: who imports what, how long things are, what is documented."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "slipway").rglob("*.py"))
BENCH = sorted((ROOT / "bench").rglob("*.py"))
SOURCES = [ROOT / "tasks.py", *MODULES, *BENCH, *sorted((ROOT / "tests").rglob("*.py"))]
APP = [p for p in sorted((ROOT / "app").rglob("*.py")) if "migrations" not in p.parts]
IMPURE = {"subprocess", "socket", "http", "requests", "docker", "boto3", "botocore", "obstore"}
IMPURE |= {"invoke", "rich", "urllib.request", "slipway.command", "slipway.engine", "slipway.ssh"}
MUST_BE_PURE = {
    "plan.py",
    "dsn.py",
    "dsn_s3.py",
    "dsn_az.py",
    "toml.py",
    "variables.py",
    "inventory.py",
    "s3_rules.py",
}
DOORS = {
    "docker": {"slipway/engine.py"},
    "boto3": {"slipway/storage/s3_client.py"},
}
# Types and errors of a library may be named anywhere; the library itself is used through its door.
STARTERS = {("subprocess", name) for name in ("run", "Popen", "check_output", "call")}
STARTERS |= {("os", "system"), ("os", "popen")}
LONGEST_FUNCTION = 40
LONGEST_FILE = 400


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def is_pure(path: Path) -> bool:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return "(pure)" in said.split("\n\n")[0]


def test_the_modules_at_the_core_are_pure() -> None:
    pure = {path.name for path in MODULES if is_pure(path)}
    assert pure >= MUST_BE_PURE


@pytest.mark.parametrize("path", [p for p in MODULES if is_pure(p)], ids=name_of)
def test_pure_modules_reach_nothing_outside(path: Path) -> None:
    assert [module for module in imports(path) if within(module, IMPURE)] == []


@pytest.mark.parametrize("library", DOORS)
def test_each_outside_world_has_one_door(library: str) -> None:
    users = {name_of(path) for path in MODULES if library in set(imports(path))}
    strangers = {
        user for user in users if not any(user.startswith(door) for door in DOORS[library])
    }
    assert users
    assert strangers == set()


@pytest.mark.parametrize("path", [*MODULES, *BENCH], ids=name_of)
def test_subprocesses_start_in_one_module_only(path: Path) -> None:
    started = [
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in STARTERS
    ]
    assert started == [] or path.name == "command.py"


@pytest.mark.parametrize("path", [*SOURCES, *APP], ids=name_of)
def test_functions_and_files_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []
    assert text.count("\n") <= LONGEST_FILE


@pytest.mark.parametrize("path", [*MODULES, *BENCH], ids=name_of)
def test_modules_say_what_they_are_for(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert said
    assert said.splitlines()[0].endswith((".", "(pure)."))


@pytest.mark.parametrize("path", APP, ids=name_of)
def test_the_app_knows_nothing_of_the_toolkit(path: Path) -> None:
    assert [module for module in imports(path) if within(module, {"slipway"})] == []


def test_no_folder_shadows_a_library() -> None:
    assert not (ROOT / "ansible" / "__init__.py").exists()
    assert not (ROOT / "docker").exists()
    assert not (ROOT / "boto3").exists()


def test_every_error_is_provoked_by_a_test() -> None:
    from slipway import errors

    kinds = [errors.SlipwayError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    text = "\n".join(
        p.read_text(encoding="utf-8") for p in SOURCES if "tests" in p.parts and p != Path(__file__)
    )
    raised = set(re.findall(r"raises\((?:errors\.)?(\w+)", text))
    assert {kind.__name__ for kind in kinds} - raised - {"SlipwayError"} == set()


def test_secrets_and_media_are_never_tracked() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert tracked
    unwanted = [p for p in tracked if p.startswith(("data/", ".sandbox/")) or p.endswith(".env")]
    assert [p for p in unwanted if not p.startswith("app/")] == []


def test_the_env_template_and_what_fills_it_name_the_same_values() -> None:
    from slipway import local, variables
    from tests.unit.factory import environment

    template = (ROOT / "env" / "app.env.j2").read_text(encoding="utf-8")
    used = dict(re.findall(r"^([A-Z_]+)=\{\{ (\w+) \| dotenv \}\}$", template, re.MULTILINE))
    assert set(used.values()) == set(variables.values(environment(), None)) == set(local.values())
    # A project may have the same value under another name, too.
    assert {value.upper() for value in used.values()} <= set(used)
