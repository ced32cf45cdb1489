"""List a bucket in many ranges at once, and yield what is in them in one order.

A page of a listing names the next one, so that pages cost a round trip each. Ranges that begin
at known names need none of the others; each goes on until it reaches the next one's beginning.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from slipway.errors import StorageError
from slipway.objects.listing import Object, Page

THREADS = 64
AHEAD = 128  # ranges that may wait in memory for their turn
PAGE = 1000  # objects, the limit of S3
TURN = 0.5  # s
SPACING = 900  # names from seed to seed: a page covers them, and a few more that are new
PageOf = Callable[[str, str], Page]  # (start after this name, or token) → a page
Order = Callable[[str], str]


def by_letters(name: str) -> str:
    """Order names as S3 does: by their bytes, and so by their code points."""
    return name


def by_folders(name: str) -> str:
    """Order names as a file system does: `a/b` before `a-b`, since `a` is before `a-b`."""
    return name.replace("/", "\x01")


class Listing(NamedTuple):
    """Hold objects, and the order in which they come."""

    order: Order
    objects: Iterator[Object]


class Disordered(Exception):
    """Tell that a server lists in an order that it did not announce."""


def sharded(page_of: PageOf, seeds: Sequence[str] | None) -> Listing:
    """List everything, with a range for each seed; raises what `page_of` raises, Disordered.

    Returns as soon as the first page has told in which order the server lists.
    """
    if seeds is None:
        return Listing(by_letters, iter(_gathered(page_of)))
    if not seeds:
        first = page_of("", "")
        return Listing(order_of(first), _in_sequence(page_of, first))
    ranges = _Ranges(page_of, ["", *seeds])
    return Listing(ranges.order(), iter(ranges))


def order_of(page: Page) -> Order:
    """Return the order in which the server of a page lists."""
    return by_folders if page.by_folders else by_letters


def _gathered(page_of: PageOf) -> list[Object]:
    page = page_of("", "")
    found = page.objects
    while page.token:
        page = _after(page_of, page)
        found += page.objects
    # Such a server may also list a name twice; the second one would seem to have no file.
    return sorted({there.name: there for there in found}.values())


def _in_sequence(page_of: PageOf, page: Page) -> Iterator[Object]:
    order, last = order_of(page), ""
    while True:
        last = _checked(page, order, last)
        yield from page.objects
        if not page.token:
            return
        page = _after(page_of, page)


def _after(page_of: PageOf, page: Page) -> Page:
    """Return the page that follows; raises StorageError where it is the same again."""
    following = page_of("", page.token)
    if following.token == page.token:
        what = "comes to no end: the server gives the same page again and again"
        raise StorageError("the listing", what, "check storage.endpoint, and what is in between")
    return following


def _checked(page: Page, order: Order, after: str) -> str:
    last = order(after)
    for there in page.objects:
        name = order(there.name)
        if name <= last and last:
            raise Disordered
        last = name
    return page.objects[-1].name if page.objects else after


class _Range(NamedTuple):
    """Hold the objects of a range, the name of the first one listed, and of one beyond its end."""

    objects: list[Object]
    first: str
    beyond: str


class _Ranges:
    """Fetch ranges in threads, some ahead of whoever takes their objects in order."""

    def __init__(self, page_of: PageOf, begins: Sequence[str]) -> None:
        self._page_of = page_of
        self._begins = list(dict.fromkeys(begins))
        self._waiting = deque(self._begins)
        self._count = len(self._begins)
        self._places: dict[str, int] = {}
        self._ends: dict[str, str] = {}
        self._order: Order | None = None
        self._results: dict[int, _Range] = {}
        self._error: BaseException | None = None
        self._taken = 0
        self._changed = threading.Condition()
        for _ in range(min(THREADS, self._count)):
            threading.Thread(target=self._work, daemon=True).start()

    def order(self) -> Order:
        """Wait until the order is known; raises what a request raised."""
        self._await(lambda: self._order is not None)
        assert self._order
        return self._order

    def __iter__(self) -> Iterator[Object]:
        beyond = ""
        try:
            for number in range(self._count):
                self._await(lambda number=number: number in self._results)  # type: ignore[misc]
                with self._changed:
                    found = self._results.pop(number)
                    self._taken = number + 1
                    self._changed.notify_all()
                # Each goes on where the one before it stopped, or something lies between them
                # that neither has: in the server's order there is more before `beyond`.
                if beyond and found.first != beyond:
                    raise Disordered
                beyond = found.beyond
                yield from found.objects
        finally:
            self._end(None)

    def _await(self, met: Callable[[], bool]) -> None:
        with self._changed:
            # In turns, since a wait without end would not hear Ctrl-C.
            while not self._changed.wait_for(lambda: self._error or met(), TURN):
                pass
            if self._error:
                raise self._error

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self._waiting.clear()
            self._error = self._error or error
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._may_begin)
                if not self._waiting:
                    return None
                begin = self._waiting.popleft()
            try:
                found = self._range(begin)
            except BaseException as error:
                return self._end(error)
            with self._changed:
                self._results[self._places[begin]] = found
                self._changed.notify_all()

    def _may_begin(self) -> bool:
        if not self._waiting or not self._order:
            return True
        return self._places[self._waiting[0]] < self._taken + AHEAD

    def _range(self, begin: str) -> _Range:
        page = self._page_of(begin, "")
        order = self._decided(order_of(page))
        end = self._ends.get(begin)
        last = _checked(page, order, begin)
        found = page.objects
        while page.token and (end is None or order(last) < order(end)):
            page = _after(self._page_of, page)
            last = _checked(page, order, last)
            found += page.objects
        first, beyond = found[0].name if found else "", ""
        while end is not None and found and order(found[-1].name) > order(end):
            beyond = found.pop().name
        return _Range(found, first, beyond)

    def _decided(self, order: Order) -> Order:
        """Settle the order by the first page; a range can only end where the next begins."""
        with self._changed:
            if self._order is None:
                begins = sorted(self._begins, key=order)
                self._places = {begin: number for number, begin in enumerate(begins)}
                self._ends = dict(itertools.pairwise(begins))
                self._waiting = deque(sorted(self._waiting, key=order))
                self._order = order
                self._changed.notify_all()
        return self._order
