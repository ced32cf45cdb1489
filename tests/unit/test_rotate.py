import pytest

from slipway import history, rotate
from slipway.errors import DeployError
from slipway.release import FINGERPRINT_LABEL, NAME_LABEL, secret_name
from tests.unit.fakeswarm import FakeSwarm, spec

STACK, WEB = "myapp-test", "myapp-test_web"


def test_the_key_goes_only_where_all_tasks_are_known_to_have_the_new_one(fake: FakeSwarm) -> None:
    assert rotate.serving(fake.engine, STACK) == ""
    release = spec(WEB)
    release["Labels"] |= {NAME_LABEL: "1", FINGERPRINT_LABEL: "abc"}
    service = fake.add(release)
    assert rotate.serving(fake.engine, STACK) == "1"
    fake.fates["myapp:1"] = "starting"
    with pytest.raises(DeployError, match="does not run whole and undisturbed; the old key stays"):
        rotate.serving(fake.engine, STACK)
    fake.fates.clear()
    service["UpdateStatus"] = {"State": "updating"}
    with pytest.raises(DeployError, match="the old key stays"):
        rotate.serving(fake.engine, STACK)


def test_an_env_file_that_is_not_deployed_is_told_of(fake: FakeSwarm) -> None:
    assert not rotate.differs(fake.engine, STACK, b"A=2")
    served = secret_name(STACK, b"A=1")
    record = history.Record("1", "myapp:1", served, "abc", "me", "2026-11-29T08:00:00Z")
    history.write(fake.engine, STACK, record)
    found = [rotate.differs(fake.engine, STACK, text) for text in (b"A=1", b"A=2")]
    assert found == [False, True]
