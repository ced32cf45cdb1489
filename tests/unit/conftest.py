"""Give what tests of several modules begin with."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway import swarm
from slipway.sync import etags
from slipway.sync.memory import Memory, remembered
from tests.unit.fakeswarm import FakeSwarm


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSwarm:
    """Let a Swarm in memory answer instead of an engine."""
    fake = FakeSwarm()
    monkeypatch.setattr(swarm, "call", fake.call)
    return fake


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with remembered(tmp_path / ".state", "test") as opened:
        yield opened


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    return tmp_path / "media"


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etags, "PART", 300)
    monkeypatch.setattr(etags, "MEBIBYTE", 100)
    monkeypatch.setattr(etags, "CHUNK", 100)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what wraps a function so that ten seconds pass in it."""
    ahead: list[int] = []
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + sum(ahead))

    def slow(really: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            ahead.append(10**10)
            return really(*arguments)

        return wrapped

    return slow
