from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.errors import StorageError
from slipway.objects import shards
from slipway.objects.listing import Object, Page
from slipway.objects.shards import Disordered, Order, by_folders, by_letters, sharded

NAMES = st.sets(st.text("ab-/.0é", min_size=1, max_size=5), max_size=40)


class Server:
    """List names in an order, some at a time."""

    def __init__(self, names: set[str], order: Order, size: int, *, tells: bool = True) -> None:
        self.names = sorted(names, key=order)
        self.order, self.size, self.tells = order, size, tells
        self.asked: list[tuple[str, str]] = []

    def page(self, after: str, token: str) -> Page:
        self.asked.append((after, token))
        places = [self.order(name) for name in self.names]
        begin = int(token) if token else bisect_right(places, self.order(after)) if after else 0
        end = begin + self.size
        found = [Object(name, 1, "aa") for name in self.names[begin:end]]
        more = str(end) if end < len(self.names) else ""
        return Page(found, more, self.tells and self.order is by_folders)


@given(NAMES, NAMES, st.sampled_from([by_letters, by_folders]), st.integers(1, 7))
def test_whatever_the_seeds_everything_is_listed_once_and_in_order(
    names: set[str], seeds: set[str], order: Order, size: int
) -> None:
    place = by_folders if order is by_folders else by_letters
    server = Server(names, place, size)
    found = sharded(server.page, sorted(seeds))
    assert found.order is place
    assert [there.name for there in found.objects] == server.names


def test_seeds_spare_every_round_trip_but_one() -> None:
    names = {f"{number:04}" for number in range(1000)}
    server = Server(names, by_letters, 100)
    seeds = [f"{number:04}" for number in range(89, 1000, 90)]
    assert len(list(sharded(server.page, seeds).objects)) == 1000
    assert not [token for _, token in server.asked if token]


def test_far_more_ranges_than_threads_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "AHEAD", 2)
    monkeypatch.setattr(shards, "THREADS", 4)
    names = {f"{number:04}" for number in range(500)}
    found = sharded(Server(names, by_letters, 10).page, sorted(names)[::3])
    assert len(list(found.objects)) == 500


def test_an_order_that_was_not_announced_is_noticed_and_can_be_done_without() -> None:
    names = {"a/x", "a-b", "a0"}
    server = Server(names, by_folders, 10, tells=False)
    with pytest.raises(Disordered):
        list(sharded(server.page, []).objects)
    server.names.append("a-b")
    found = sharded(server.page, None)
    assert [there.name for there in found.objects] == sorted(names)


@given(NAMES, st.integers(1, 7), st.integers(1, 5))
def test_no_order_that_was_not_announced_loses_an_object(
    names: set[str], size: int, spacing: int
) -> None:
    # As those are that a run before has left: names by letters.
    server, seeds = Server(names, by_folders, size, tells=False), sorted(names)[::spacing]
    try:
        found = [there.name for there in sharded(server.page, seeds).objects]
    except Disordered:
        found = [there.name for there in sharded(server.page, None).objects]
    assert found == sorted(names)


def test_a_seed_between_two_folders_loses_none_of_them() -> None:
    counts = {"a": 800, "photos-2024": 150, "photos": 600, "z": 2000}
    names = {f"{name}/{number:04}" for name, count in counts.items() for number in range(count)}
    server = Server(names, by_folders, shards.PAGE, tells=False)
    with pytest.raises(Disordered):
        list(sharded(server.page, sorted(names)[899::900]).objects)


@pytest.mark.parametrize("seeds", [[], ["a", "b", "c"]])
def test_a_failure_reaches_the_caller(seeds: list[str]) -> None:
    def broken(*_: str) -> Page:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        list(sharded(broken, seeds).objects)


@pytest.mark.parametrize("seeds", [None, [], ["b"]])
def test_a_server_that_takes_no_notice_of_tokens_is_no_listing_without_end(
    seeds: list[str] | None,
) -> None:
    def page(*_: str) -> Page:
        return Page([Object("a", 1, "aa")], "token")

    with pytest.raises(StorageError, match="the same page again and again"):
        list(sharded(page, seeds).objects)
