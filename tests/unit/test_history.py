from dataclasses import replace

import pytest

from slipway import history
from slipway.errors import DeployError
from slipway.history import Record
from slipway.rollback import _row, choose
from tests.unit.fakeswarm import FakeSwarm

STACK = "myapp-test"


def record(name: str, outcome: str = history.SERVES, action: str = "deploy") -> Record:
    return Record(
        release=name, image=f"myapp:{name}", secret="env-1", revision="ab12-dirty",
        who="maria@laptop", when="2026-11-24T16:00:00Z", action=action, outcome=outcome,
        seconds=12.5, bytes_shipped=100, stack_file="services: {}", variables={"IMAGE": "x"},
    )  # fmt: skip


def test_what_is_written_is_read_back_the_newest_first(fake: FakeSwarm) -> None:
    for name in ("r1", "r2"):
        history.write(fake.engine, STACK, record(name))
    history.write(fake.engine, "other", record("r3"))
    found = history.read(fake.engine, STACK)
    assert found == [record("r2"), record("r1")]


def test_a_record_says_whether_files_differed_from_the_commit(fake: FakeSwarm) -> None:
    history.write(fake.engine, STACK, record("r1"))
    fields = history.read(fake.engine, STACK)[0].fields()
    assert (fields["revision"], fields["dirty"]) == ("ab12", True)
    assert "variables" not in fields


def test_only_so_many_records_are_kept(fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEEP", 2)
    monkeypatch.setattr(history, "KEEP_GOOD", 1)
    for name in ("r1", "r2", "r3"):
        history.write(fake.engine, STACK, record(name))
    assert [one.release for one in history.read(fake.engine, STACK)] == ["r3", "r2"]
    # What serves is known however many runs have failed since.
    for name in ("r4", "r5", "r6"):
        history.write(fake.engine, STACK, record(name, "web: unhealthy"))
    assert [one.release for one in history.read(fake.engine, STACK)] == ["r6", "r5", "r3"]


def test_a_name_fits_into_what_swarm_allows(fake: FakeSwarm) -> None:
    history.write(fake.engine, "a" * 60, record("r1"))
    assert all(len(name) <= 64 for name in fake.configs)


R1, R2, R3 = record("r1"), record("r2"), record("r3")
BAD = record("r4", "web: unhealthy")


@pytest.mark.parametrize(
    ("records", "serving", "name", "chosen"),
    [
        ([R2, R1], "r2", "", "r1"),
        ([BAD, R3, R2], "r3", "", "r2"),
        ([record("r1", action="rollback"), R2, R1], "r2", "r1", "r1"),
        ([R3, R2, R1], "r2", "", "r1"),
        ([R3, R2], "", "", "r3"),
        # r2 was left for r1, so it led nowhere.
        ([R3, record("r1", action="rollback"), R2, R1], "r3", "", "r1"),
        ([record("r2", action="rollback"), R3, R2, R1], "r2", "", "r1"),
        ([R3, R2, R1], "r3", "", "r2"),
    ],
)
def test_the_release_before_is_chosen_or_the_one_named(
    records: list[Record], serving: str, name: str, chosen: str
) -> None:
    assert choose(records, serving, name).release == chosen


def test_a_release_that_got_a_new_key_is_gone_back_to_with_that_key() -> None:
    rotated = replace(R1, action=history.ROTATE, secret="env-2")
    records = [R2, rotated, R1]
    found = choose(records, "r2", "")
    assert (found.release, found.secret) == ("r1", "env-2")
    assert not history.key_replaced(records, found)


def test_a_release_of_before_the_present_key_is_known_as_such() -> None:
    records = [replace(R2, action=history.ROTATE, secret="env-2"), R2, R1]
    assert history.key_replaced(records, choose(records, "r2", ""))


def test_the_table_marks_only_what_serves() -> None:
    assert _row(R2, serves=True)[::6] == ("* r2", "serves")
    assert _row(R1, serves=False)[::6] == ("  r1", "served")
    assert _row(BAD, serves=False)[::6] == ("  r4", "web: unhealthy")


def test_releases_of_all_environments_of_a_project_are_kept(fake: FakeSwarm) -> None:
    history.write(fake.engine, "myapp-live", R1)
    history.write(fake.engine, STACK, R2)
    history.write(fake.engine, "other-live", replace(R3, image="other:r3"))
    assert history.releases_kept(fake.engine, "myapp", 5) == {"r1", "r2"}


@pytest.mark.parametrize(
    ("serving", "name", "said"),
    [("r1", "", "no release served before"), ("r1", "r4", "r4: is no release that served here")],
)
def test_what_never_served_is_refused(serving: str, name: str, said: str) -> None:
    with pytest.raises(DeployError, match=said):
        choose([BAD, R1], serving, name)
