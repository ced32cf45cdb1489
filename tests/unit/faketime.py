"""Let time pass only where a module sleeps, so that waiting takes none and is exact."""

from types import ModuleType

import pytest


class FakeTime:
    """Stand for the module `time` in another one."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def without_waiting(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """Give these modules a clock of their own."""
    moments = FakeTime()
    for module in modules:
        monkeypatch.setattr(module, "time", moments)
