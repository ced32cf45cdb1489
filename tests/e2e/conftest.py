"""Live the story once for all tests; the last test of test_story.py takes the sandbox away."""

from typing import Any

import pytest

from tests.e2e import machine


@pytest.fixture(scope="session")
def sampler() -> machine.Sampler:
    return machine.sampler()


@pytest.fixture(scope="session")
def story(sampler: machine.Sampler) -> dict[str, Any]:
    # tests/browser may have run it already.
    found = machine.first_demo()
    assert sampler.rounds > 10
    return found
