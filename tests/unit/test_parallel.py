import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slipway.parallel import each, meanwhile, together


class Door:
    """A context that waits for its neighbour to be entered too."""

    def __init__(self, barrier: threading.Barrier, fails: bool = False) -> None:
        self.barrier = barrier
        self.fails = fails
        self.log: list[str] = []

    @contextmanager
    def __call__(self) -> Iterator[str]:
        self.barrier.wait(5)
        if self.fails:
            raise ConnectionError("refused")
        self.log.append("entered")
        try:
            yield "inside"
        finally:
            self.log.append("left")


def test_all_are_entered_at_the_same_time_and_left() -> None:
    barrier = threading.Barrier(2)
    doors = [Door(barrier), Door(barrier)]
    with together([door() for door in doors]) as entered:
        assert entered == ["inside", "inside"]
        assert [door.log for door in doors] == [["entered"], ["entered"]]
    assert [door.log for door in doors] == [["entered", "left"], ["entered", "left"]]


def test_where_one_fails_the_others_are_left() -> None:
    barrier = threading.Barrier(3)
    doors = [Door(barrier), Door(barrier, fails=True), Door(barrier)]
    with pytest.raises(ConnectionError, match="refused"), together([door() for door in doors]):
        pytest.fail("must not be entered")
    assert doors[0].log == doors[2].log == ["entered", "left"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_all_are_left_when_the_body_fails(error: type[BaseException]) -> None:
    door = Door(threading.Barrier(1))
    with pytest.raises(error), together([door()]):
        raise error
    assert door.log == ["entered", "left"]


def test_each_calls_side_by_side_and_keeps_the_order() -> None:
    barrier = threading.Barrier(3)

    def double(number: int) -> int:
        barrier.wait(5)
        return 2 * number

    assert each(double, [1, 2, 3]) == [2, 4, 6]
    assert each(double, []) == []


def test_each_raises_what_a_call_raised() -> None:
    def fail(number: int) -> int:
        raise ConnectionError(str(number))

    with pytest.raises(ConnectionError, match="1"):
        each(fail, [1, 2])


def test_meanwhile_waits_for_what_was_begun_only_where_it_is_asked_for() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert go_on.wait(5)
        return 4

    with meanwhile(work) as done:
        assert begun.wait(5)
        go_on.set()
        assert done() == 4
    go_on.clear()
    with meanwhile(work):
        pass
    assert not go_on.is_set()
    go_on.set()


def test_meanwhile_raises_what_was_raised() -> None:
    def fail() -> None:
        raise ConnectionError("cut")

    with meanwhile(fail) as done, pytest.raises(ConnectionError, match="cut"):
        done()
