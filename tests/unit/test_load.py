import time

import pytest

from slipway import load, probe
from slipway.settings.hosts import Host
from tests.unit.factory import environment
from tests.unit.test_probe import proxy

HERE = environment(hosts=(Host("host1", "127.0.0.1"),))


def sent(monkeypatch: pytest.MonkeyPatch, port: int) -> load.Load:
    monkeypatch.setattr(probe, "HTTP_PORT", port)
    monkeypatch.setattr(load, "RATE", 100.0)
    with load.running(HERE) as found:
        deadline = time.monotonic() + 5
        while found.sent < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    return found


def test_requests_that_are_answered_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(200) as (port, asked):
        found = sent(monkeypatch, port)
    assert found.sent >= 3
    assert found.failed == 0
    assert asked[0] == "test.localhost:8080/"


def test_server_errors_and_silence_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(503) as (port, _):
        found = sent(monkeypatch, port)
    assert found.failed == found.sent >= 3
    assert found.failures[0] == "503"
    found = sent(monkeypatch, port)
    assert "refused" in found.failures[0]
