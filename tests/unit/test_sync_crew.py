import threading
import time

import pytest

from slipway.sync import crew
from slipway.sync.crew import Budget, Crew, Gang, Stopped, beside


def test_every_item_is_worked_on_once() -> None:
    done: list[int] = []
    ticks: list[int] = []
    Crew().run(
        Gang(range(100), done.append, 8),
        Gang(range(100, 103), done.append, 2),
        tick=lambda: ticks.append(1),
    )
    assert sorted(done) == list(range(103))


def test_the_first_error_stops_the_others() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 3:
            raise RuntimeError("broken")
        time.sleep(0.001)
        done.append(item)

    with pytest.raises(RuntimeError, match="broken"):
        Crew().run(Gang(range(10_000), work, 4))
    assert len(done) < 1000


def test_an_index_error_of_the_work_is_no_end_of_the_list() -> None:
    def work(_: int) -> None:
        raise IndexError("from the work")

    with pytest.raises(IndexError, match="from the work"):
        Crew().run(Gang([1], work, 1))


def test_ctrl_c_reaches_the_workers_and_the_caller() -> None:
    both = Crew()
    began = threading.Event()
    ended = threading.Event()

    def work(_: int) -> None:
        began.set()
        both.stop.wait(10)
        ended.set()
        raise Stopped

    def tick() -> None:
        if began.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        both.run(Gang([1, 2], work, 1), tick=tick)
    assert ended.wait(1)


def test_a_worker_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "PATIENCE", 0.1)

    def tick() -> None:
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Crew().run(Gang([5.0], time.sleep, 1), tick=tick)
    assert time.monotonic() - begin < 3


def test_the_budget_holds() -> None:
    budget = Budget(100)
    held: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work(size: int) -> None:
        with budget.hold(size):
            with lock:
                held.append(min(size, 100))
                most.append(sum(held))
            time.sleep(0.002)
            with lock:
                held.remove(min(size, 100))

    Crew().run(Gang([40, 30, 100, 20, 1000, 50, 0, 60] * 3, work, 8))
    assert max(most) == 100


def test_beside_gives_the_result_the_error_or_a_timeout() -> None:
    assert beside(lambda: 7)() == 7

    def broken() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        beside(broken)()
    with pytest.raises(TimeoutError):
        beside(lambda: time.sleep(2))(0.1)
