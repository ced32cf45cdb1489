import json
from dataclasses import replace
from pathlib import Path

import pytest

from slipway import planfile
from slipway.environment import Environment
from slipway.errors import ConfigurationError
from slipway.plan import Change, Plan
from tests.unit.factory import environment

PLAN = Plan((Change("storage", "create", "bucket shop"), Change("env", "change", "env/test.env")))


@pytest.fixture
def site(tmp_path: Path) -> Environment:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "test.toml").write_text("project = 'a'")
    return environment(root=tmp_path)


def test_a_plan_that_still_holds_passes(site: Environment, tmp_path: Path) -> None:
    planfile.save(tmp_path / "plan.json", site, PLAN)
    planfile.check(tmp_path / "plan.json", site, PLAN)
    saved = json.loads((tmp_path / "plan.json").read_text())
    assert set(saved) == {"version", "environment", "settings", "changes"}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Plan(PLAN.changes[:1]), "the world has moved since: no longer to change env/test.env"),
        (
            Plan((*PLAN.changes, Change("hosts", "delete", "x"))),
            "the world has moved since: now also to delete x",
        ),
        (Plan(PLAN.changes[::-1]), "the world has moved since: other details or another order"),
    ],
)
def test_a_world_that_moved_is_refused(
    site: Environment, tmp_path: Path, now: Plan, said: str
) -> None:
    planfile.save(tmp_path / "plan.json", site, PLAN)
    with pytest.raises(ConfigurationError, match=said):
        planfile.check(tmp_path / "plan.json", site, now)


def test_a_plan_for_something_else_is_refused(site: Environment, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    planfile.save(path, site, PLAN)
    with pytest.raises(ConfigurationError, match="is a plan for test, not for live"):
        planfile.check(path, replace(site, name="live"), PLAN)
    (tmp_path / "env" / "test.toml").write_text("project = 'b'")
    with pytest.raises(
        ConfigurationError, match=r"is older than the last change of env/test\.toml"
    ):
        planfile.check(path, site, PLAN)


@pytest.mark.parametrize("text", ["", "[]", '{"version": 99}'])
def test_what_is_no_plan_is_refused(site: Environment, tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ConfigurationError, match="is no plan of this version"):
        planfile.check(tmp_path / "plan.json", site, PLAN)
    with pytest.raises(ConfigurationError, match="No such file"):
        planfile.check(tmp_path / "none.json", site, PLAN)
