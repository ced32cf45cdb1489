"""Let a polite request to end (SIGTERM, a closed terminal) clean up as Ctrl-C does, or wait."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
AGAIN = "run the same command again to go on"


@contextmanager
def cleans_up() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt while the context is open."""
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def waits(tell: Callable[[], object]) -> Iterator[None]:
    """Do not let anybody end what must not be left half done; `tell` says so to whoever tries.

    Signals reach the main thread only: in any other nothing is held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def held(_number: int, _frame: FrameType | None) -> None:
        # The terminal may be what is gone.
        with suppress(OSError):
            tell()

    before = {number: signal.signal(number, held) for number in (signal.SIGINT, *SIGNALS)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Advice:
    """Hold what is to be done after an interrupt."""

    text = AGAIN


def advise(text: str) -> None:
    """Change what whoever interrupts from now on is told to do next."""
    _Advice.text = text


def advice() -> str:
    """Return what is to be done next after an interrupt."""
    return _Advice.text


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
