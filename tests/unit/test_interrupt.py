import os
import signal

import pytest

from slipway.interrupt import cleans_up


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_an_interrupt(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), cleans_up():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
