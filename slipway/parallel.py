"""Do the same on several hosts at the same time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

T = TypeVar("T")
Item = TypeVar("Item")


@contextmanager
def together(contexts: Sequence[AbstractContextManager[T]]) -> Iterator[list[T]]:
    """Enter all contexts at the same time and leave all of them, in whatever way this ends.

    Raises what the first of them raised, in the order given.
    """
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(max(1, len(contexts))))
        entered: list[Future[T]] = []
        stack.callback(_leave, contexts, entered)
        entered.extend(pool.submit(context.__enter__) for context in contexts)
        yield [future.result() for future in entered]


def each(function: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
    """Call the function for every item at the same time and return the results in order.

    Raises what the first failing call raised; the other calls are not waited for, so that
    their tunnels can be closed and end them.
    """
    todo = list(items)
    pool = ThreadPoolExecutor(max(1, len(todo)))
    try:
        return list(pool.map(function, todo))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def meanwhile(function: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Call the function while the context is open.

    What is yielded waits for its result, or raises what it raised. Leaving does not wait for it.
    """
    pool = ThreadPoolExecutor(1)
    try:
        yield pool.submit(function).result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _leave(contexts: Sequence[AbstractContextManager[T]], entered: Sequence[Future[T]]) -> None:
    with ExitStack() as stack:
        # Shorter than contexts where an interrupt came while they were being entered.
        for context, future in zip(contexts, entered, strict=False):
            if future.exception() is None:
                stack.push(context)
