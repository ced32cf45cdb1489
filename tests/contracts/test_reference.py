"""Keep docs/reference.md what the code says."""

import ast
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from slipway import errors, fields, reference
from slipway.errors import EXIT_CODES
from tasks import namespace

ROOT = Path(__file__).resolve().parents[2]
STALE = (
    "docs/reference.md is not what the code says: run 'make reference' and commit the file. "
    "It is generated: prose of your own belongs into docstrings, env/example.toml, or another "
    "page of docs/"
)


def test_the_reference_is_what_the_code_says() -> None:
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert (written == reference.render(ROOT, namespace)) is True, STALE


def test_a_projects_own_variables_leave_the_reference_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "env", tmp_path / "env", ignore=shutil.ignore_patterns("*.env"))
    with (tmp_path / "env" / "app.env.j2").open("a") as template:
        template.write("\n# The shop\nSHOP_URL={{ site_url | dotenv }}\nSHOP_LANGUAGE=de\n")
    assert reference.render(tmp_path, namespace) == reference.render(ROOT, namespace)


def test_reading_a_task_leaves_its_help_in_place() -> None:
    twice = [[one.help for one in reference.arguments(namespace, "provision")] for _ in range(2)]
    assert twice[0] == twice[1]
    assert all(twice[0])


def test_every_exit_code_is_explained() -> None:
    kinds = [errors.SlipwayError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    codes = {kind.exit_code for kind in kinds} | {errors.OK, errors.CHANGES, errors.INTERRUPTED}
    codes |= {errors.UNHEALTHY}
    assert codes == set(EXIT_CODES), "explain each exit code in EXIT_CODES of slipway/errors.py"


def test_every_task_with_json_declares_its_fields() -> None:
    printing = {
        name
        for name in reference.names(namespace)
        if any(one.name == "json" for one in reference.arguments(namespace, name))
    }
    assert printing == set(fields.FIELDS), "declare what --json prints in slipway/fields.py"


def test_every_setting_is_explained_where_its_example_stands() -> None:
    text = (ROOT / "env" / "example.toml").read_text(encoding="utf-8")
    found = list(reference.settings(text))
    bare = [f"{header} {key}" for header, about, key, _, comment in found
            if not comment or (header and not about)]  # fmt: skip
    assert bare == [], "env/example.toml: put a comment above each key, and above each table"
    assert len(found) == len(re.findall(r"^[\w-]+ = ", text, re.MULTILINE))
    assert tomllib.loads(text)


@pytest.mark.parametrize(
    ("task", "printed", "found"),
    [
        ("push-media", {*fields.TRANSFER} - {"error?", "exit_code?"}, []),
        ("push-db", {*fields.FIELDS["push-db"]} - {"previous"}, ["-previous"]),
        ("push-db", {*fields.FIELDS["push-db"], "password"}, ["+password"]),
    ],
)
def test_a_field_more_or_less_is_found(task: str, printed: set[str], found: list[str]) -> None:
    assert fields.differences(task, printed) == found
    assert fields.is_declared(dict.fromkeys(printed)) is (found == [])


def test_every_result_is_checked_against_the_declared_fields() -> None:
    """Tests print results too, and tests/conftest.py compares each of them."""
    tree = ast.parse((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    assert "is_declared" in ast.unparse(tree)
