from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway import provision
from slipway.command import Shell
from slipway.console import Console
from slipway.environment import Environment
from slipway.errors import CHANGES, ConfigurationError, DatabaseError, Declined
from slipway.plan import Change, Plan
from slipway.secrets import Secret
from slipway.settings.database import Database
from slipway.storage.base import Step
from tests.unit.factory import ROOT, environment


class FakeProvider:
    """Stand for a storage in which nothing differs."""

    def __init__(self, known: bool = False) -> None:
        self.known = known
        self.notes: list[str] = []

    def renew(self) -> bool:
        return False

    def retire(self) -> None:
        return None

    def holds(self) -> int:
        return 0

    def removal(self) -> list[Step]:
        return []

    def steps(self) -> list[Step]:
        return []

    def dsn(self) -> None:
        return None

    def provisioned(self) -> bool:
        return self.known

    def withdraw(self) -> None:
        return None

    def settle(self) -> None:
        return None

    def prove(self) -> None:
        return None


def test_an_image_that_nobody_has_stops_the_run_before_any_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, done = environment(database_service=Database(image="nobody/has:1")), list[str]()

    def missing(names: tuple[str, ...], _shell: Shell, _console: Console) -> None:
        raise ConfigurationError(names[-1], "cannot be pulled")

    monkeypatch.setattr(provision, "_lacking", lambda site: list(site.hosts))
    monkeypatch.setattr("slipway.baseimages.obtain", missing)
    step = Step(Change("storage", "create", "bucket"), lambda: done.append("bucket"))
    plan = Plan((Change("hosts", "change", "images"),))
    values: dict[str, Any] = {}
    with pytest.raises(ConfigurationError, match="nobody/has:1: cannot be pulled"):
        provision._converge(site, provision.Work(FakeProvider(), [step], values, plan), Console())
    assert done == []


def world(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, keys: bool = False, role: bool | None = None
) -> Environment:
    """Make an environment without env file; `role` is None where there is no database yet."""
    (folder / "env").mkdir()
    (folder / "env" / "app.env.j2").write_text((ROOT / "env" / "app.env.j2").read_text())

    @contextmanager
    def on_manager(*_: object) -> Iterator[Any]:
        if role is None:
            raise DatabaseError("host1", "no database")
        yield SimpleNamespace(query=lambda _: [["1"]] if role else [])

    monkeypatch.setattr("slipway.storage.provider", lambda _: FakeProvider(keys))
    monkeypatch.setattr("slipway.hosts.converge", lambda *_, **__: SimpleNamespace(changes=[]))
    monkeypatch.setattr("slipway.postgres.role.on_manager", on_manager)
    monkeypatch.setattr(
        "slipway.postgres.role.differences", lambda *_: ["role myapp has another password"]
    )
    return environment(root=folder)


@pytest.mark.parametrize(("keys", "role"), [(True, None), (True, False), (False, True)])
def test_a_missing_env_file_of_a_running_site_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: bool, role: bool | None
) -> None:
    site = world(monkeypatch, tmp_path, keys=keys, role=role)
    said = r"^env/test.env: is missing, but test is provisioned already; .* --new-secrets$"
    with pytest.raises(ConfigurationError, match=said):
        provision.provision(site, Console(assume_yes=True))
    assert not site.env_file.exists()
    plan = provision._look(site, Console(), new_secrets=True).plan
    assert plan.of_part("env")[0].detail.endswith("; the site must be deployed again")
    told = [change.detail for change in plan.of_part("database")]
    assert any("cannot connect until 'invoke deploy'" in one for one in told) is bool(role)


@pytest.mark.parametrize("role", [None, False])
def test_a_fresh_world_needs_no_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, role: bool | None
) -> None:
    plan = provision._look(world(monkeypatch, tmp_path, role=role), Console()).plan
    assert "deployed" not in plan.of_part("env")[0].detail


def test_a_stale_env_file_is_taken_into_a_fresh_world(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = world(monkeypatch, tmp_path, keys=True, role=True)
    site.env_file.write_text("SECRET_KEY=old\n")
    assert provision._look(site, Console()).plan


def test_a_managed_database_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = world(monkeypatch, tmp_path, role=True)
    url = Secret("postgres://u:p@db.example.com/shop")
    site = replace(site, variables={"DATABASE_URL": url, "SECRET_KEY": Secret("k")})
    site.env_file.write_text(f"DATABASE_URL={url.reveal()}\n")
    work = provision._look(site, Console())
    assert work.plan.of_part("database") == ()
    assert work.values["database_url"] == url
    assert "its database is left alone" in capsys.readouterr().out


class Losing(FakeProvider):
    """Stand for a storage of which a version would be lost."""

    def steps(self) -> list[Step]:
        change = Change("storage", "change", "versioning of bucket b", "off", "old versions")
        return [Step(change, lambda: None)]


def test_yes_does_not_agree_to_losing_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = world(monkeypatch, tmp_path)
    monkeypatch.setattr("slipway.storage.provider", lambda _: Losing())
    said = r"test: versioning of bucket b would lose data, .* --yes does not .*; add --accept-loss"
    with pytest.raises(Declined, match=said):
        provision.provision(site, Console(assume_yes=True))


def test_a_saved_plan_changes_nothing_and_is_refused_once_the_world_moved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site, saved = world(monkeypatch, tmp_path), str(tmp_path / "plan.json")
    assert provision.provision(site, Console(), out=saved) == CHANGES
    assert not site.env_file.exists()
    monkeypatch.setattr("slipway.storage.provider", lambda _: Losing())
    with pytest.raises(ConfigurationError, match="moved since: now also to change versioning of"):
        provision.provision(site, Console(assume_yes=True), apply=saved, accept_loss=True)
