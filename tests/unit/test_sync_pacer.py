import pytest

from slipway.sync.pacer import FIRST, MOST, Pacer


def round_of(paced: Pacer, took: float, size: int = 1000) -> None:
    for _ in range(paced.limit):
        paced.answered(took, size)


def test_more_are_let_go_while_nothing_queues() -> None:
    paced = Pacer()
    limits = []
    for _ in range(6):
        round_of(paced, 0.045)
        limits.append(paced.limit)
    assert limits == [32, 64, 128, MOST, MOST, MOST]


def test_a_queue_ends_the_growth_and_a_long_one_shortens_it() -> None:
    paced = Pacer()
    round_of(paced, 0.001)
    assert paced.limit == 2 * FIRST
    round_of(paced, 0.004)
    assert paced.limit == 2 * FIRST
    round_of(paced, 0.02)
    assert paced.limit == FIRST * 3 // 2
    for _ in range(9):
        round_of(paced, 0.02)
    assert paced.limit == FIRST


def test_large_bodies_say_nothing_about_queues() -> None:
    paced = Pacer()
    for _ in range(100):
        round_of(paced, 0.001, size=10**7)
    assert paced.limit == FIRST


def test_strain_halves_once_a_second_and_the_way_up_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("slipway.sync.pacer.time.monotonic", lambda: now[0])
    paced = Pacer()
    for _ in range(5):
        paced.strained()
    assert paced.limit == FIRST // 2
    now[0] += 2
    paced.strained()
    assert paced.limit == FIRST // 4
    round_of(paced, 0.01)
    assert paced.limit == FIRST // 4 + 1
    for _ in range(10):
        now[0] += 2
        paced.strained()
    assert paced.limit == 1
