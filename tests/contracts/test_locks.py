"""Locks hold behind any package index: pinned, with hashes, without an address."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted([*ROOT.glob("requirements*.txt"), *ROOT.glob("app/requirements*.txt")])
LOCKS += sorted(ROOT.glob("compose/images/*/requirements.txt"))
LOCKS += sorted(ROOT.glob("tests/**/requirements*.txt"))
ADDRESS = re.compile(r"://|file:|--(extra-)?index|--find-links|\s@\s")
PINNED = re.compile(r"([a-z0-9._-]+)==\S+", re.IGNORECASE)


def packages(path: Path) -> dict[str, str]:
    """Return each pinned package with the lines that belong to it."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found = {match[1].lower(): line for line in lines if (match := PINNED.match(line))}
    assert len(found) == len(lines), f"{path.name} has a line that pins nothing"
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_locks_for_product_development_tool_app_and_images() -> None:
    assert len(LOCKS) >= 6


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_every_package_is_pinned_by_hash(path: Path) -> None:
    assert packages(path)
    assert [name for name, line in packages(path).items() if "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_no_lock_knows_an_address(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if ADDRESS.search(line)] == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {name_in(text) for text in project["project"]["dependencies"]}
    product = packages(ROOT / "requirements.txt")
    assert wanted - product.keys() == set()
    tools = {name_in(text) for text in project["dependency-groups"]["dev"]}
    development = packages(ROOT / "requirements-dev.txt")
    assert (wanted | tools) - development.keys() == set()
    version = {name: line.split()[0] for name, line in development.items()}
    assert {name: version.get(name) for name in product} == {
        name: line.split()[0] for name, line in product.items()
    }


def name_in(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower()
