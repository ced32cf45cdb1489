"""Give what tests of several modules begin with."""

import pytest

from slipway import swarm
from tests.unit.fakeswarm import FakeSwarm


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSwarm:
    """Let a Swarm in memory answer instead of an engine."""
    fake = FakeSwarm()
    monkeypatch.setattr(swarm, "call", fake.call)
    return fake
