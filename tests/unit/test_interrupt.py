import os
import signal
import threading

import pytest

from slipway import interrupt
from slipway.interrupt import cleans_up, waits


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_an_interrupt(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), cleans_up():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_must_not_be_left_half_done_goes_on_and_says_so(number: signal.Signals) -> None:
    told, before = list[str](), signal.getsignal(number)
    with waits(lambda: told.append("soon")):
        os.kill(os.getpid(), number)
        told.append("done")
    assert told == ["soon", "done"]
    assert signal.getsignal(number) == before


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    def gone() -> None:
        raise OSError(5, "Input/output error")

    with waits(gone):
        os.kill(os.getpid(), signal.SIGHUP)


def test_another_thread_holds_nothing_back() -> None:
    def work() -> None:
        with waits(lambda: None):
            found.append(signal.getsignal(signal.SIGINT))

    found, before = list[object](), signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def test_the_advice_changes_with_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt._Advice, "text", interrupt.AGAIN)
    assert interrupt.advice() == "run the same command again to go on"
    interrupt.advise("it is done")
    assert interrupt.advice() == "it is done"
