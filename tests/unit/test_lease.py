import time

import pytest
from requests import RequestException

from slipway import lease as module
from slipway import process, swarm
from slipway.errors import DeployError
from slipway.lease import lease
from tests.unit.fakeswarm import FakeSwarm

NAME = "myapp-test-lease"


def test_the_lease_is_there_while_it_is_held_and_gone_afterwards(fake: FakeSwarm) -> None:
    with lease(fake.engine, "myapp-test", "deploys", "maria@laptop"):
        labels = fake.configs[NAME]["Spec"]["Labels"]
        assert labels["slipway.owner"] == "maria@laptop"
        assert labels["slipway.reason"] == "deploys"
    assert fake.configs == {}


def test_an_interrupt_gives_the_lease_back(fake: FakeSwarm) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        lease(fake.engine, "myapp-test", "deploys", "maria@laptop"),
    ):
        raise KeyboardInterrupt
    assert fake.configs == {}


def test_a_second_deploy_is_told_who_deploys_and_since_when(fake: FakeSwarm) -> None:
    with (
        lease(fake.engine, "myapp-test", "deploys", "maria@laptop"),
        pytest.raises(DeployError, match="maria@laptop deploys since 14:00:50 UTC"),
        lease(fake.engine, "myapp-test", "pushes the database", "ci"),
    ):
        pytest.fail("must not be entered")
    assert fake.configs == {}


def test_a_lease_that_nobody_renews_is_broken(fake: FakeSwarm) -> None:
    fake.call(fake.engine, "POST", "/configs/create", {"Name": NAME, "Labels": {}})
    fake.configs[NAME]["UpdatedAt"] = "2026-11-22T13:59:50.123456789Z"
    with lease(fake.engine, "myapp-test", "pushes the database", "ci"):
        assert fake.configs[NAME]["Spec"]["Labels"]["slipway.owner"] == "ci"


def test_the_holder_renews_its_lease(fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    with lease(fake.engine, "myapp-test", "pushes the database", "ci"):
        deadline = time.monotonic() + 5
        while "slipway.beats" not in fake.configs[NAME]["Spec"]["Labels"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def take_over(fake: FakeSwarm) -> None:
    fake.call(fake.engine, "DELETE", f"/configs/{NAME}")
    body = {"Name": NAME, "Labels": {"slipway.owner": "ci"}}
    fake.call(fake.engine, "POST", "/configs/create", body)


def test_a_lease_that_is_still_held_passes_the_check(fake: FakeSwarm) -> None:
    with lease(fake.engine, "myapp-test", "deploys", "maria@laptop") as held:
        held.check()


def test_a_lease_that_was_taken_over_is_found_lost(fake: FakeSwarm) -> None:
    with lease(fake.engine, "myapp-test", "deploys", "maria@laptop") as held:
        take_over(fake)
        with pytest.raises(DeployError, match="ci took over"):
            held.check()


def test_a_lease_is_not_lost_where_the_engine_is_silent(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise RequestException("cut")

    with lease(fake.engine, "myapp-test", "deploys", "maria@laptop") as held:
        with monkeypatch.context() as patch:
            patch.setattr(swarm, "call", silent)
            assert not held.lost
        assert not held.lost


def test_a_lease_that_is_gone_is_found_lost(fake: FakeSwarm) -> None:
    with lease(fake.engine, "myapp-test", "deploys", "maria@laptop") as held:
        fake.configs.clear()
        with pytest.raises(DeployError, match="somebody took over"):
            held.check()


def test_the_new_holders_lease_is_neither_renewed_nor_removed(
    fake: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    with lease(fake.engine, "myapp-test", "deploys", "maria@laptop"):
        take_over(fake)
        time.sleep(0.1)
    assert fake.configs[NAME]["Spec"]["Labels"] == {"slipway.owner": "ci"}


def test_the_lease_of_a_process_that_was_killed_on_this_machine_is_broken_at_once(
    fake: FakeSwarm,
) -> None:
    machine, _, rest = process.own().rpartition("/")[0].rpartition("/")
    assert rest
    labels = {"slipway.owner": "killed", "slipway.process": f"{machine}/{2**22 + 1}/1"}
    fake.call(fake.engine, "POST", "/configs/create", {"Name": NAME, "Labels": labels})
    with lease(fake.engine, "myapp-test", "deploys", "ci"):
        assert list(fake.configs) == [NAME]


def test_a_process_of_another_machine_is_not_looked_for_on_this_one(fake: FakeSwarm) -> None:
    labels = {"slipway.owner": "far", "slipway.process": f"other/1/{2**22 + 1}/1"}
    fake.call(fake.engine, "POST", "/configs/create", {"Name": NAME, "Labels": labels})
    with (
        pytest.raises(DeployError, match=r"far works since 14:00:50 UTC; wait; if .* for 30 s"),
        lease(fake.engine, "myapp-test", "deploys", "ci"),
    ):
        pytest.fail("must not be entered")


def test_a_process_that_runs_again_under_the_same_number_is_another_one() -> None:
    machine = process.own().rpartition("/")[0]
    assert not process.has_ended(process.own())
    assert process.has_ended(f"{machine}/0")
