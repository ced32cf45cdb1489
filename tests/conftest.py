"""Set what holds for all tests."""

import os
import signal
from collections.abc import Mapping

import pytest
from hypothesis import settings

from slipway import fields
from slipway.console import Console

# A busy machine is no reason for a property to fail; 'make long' tries more of what there may be.
EXAMPLES = 500 if os.environ.get("SLIPWAY_LONG") else 40
settings.register_profile("unhurried", deadline=None, max_examples=EXAMPLES)
settings.load_profile("unhurried")
# Started in the background, a shell lets all of its programs ignore Ctrl-C, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _declared_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare whatever a flow prints with --json with what slipway/fields.py declares."""
    printing = Console.result

    def result(self: Console, printed: Mapping[str, object]) -> None:
        wrong = f"{sorted(printed)} is in no table of slipway/fields.py; declare it there"
        assert fields.is_declared(printed), wrong
        printing(self, printed)

    monkeypatch.setattr(Console, "result", result)
