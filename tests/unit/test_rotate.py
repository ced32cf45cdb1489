import pytest

from slipway import rotate
from slipway.errors import DeployError
from slipway.release import FINGERPRINT_LABEL, NAME_LABEL
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
