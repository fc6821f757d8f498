"""A function of many things, worked out by several threads: in order, and only a little ahead of whoever takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def in_chunks(
    function: Callable[[Sequence[Thing]], Result], things: Sequence[Thing], chunk: int, workers: int
) -> Iterator[Result]:
    """``function`` of each ``chunk`` things, in their order; an executor's own ``map`` would begin them all at once."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for begin in range(0, len(things), chunk):
                waiting.append(pool.submit(function, things[begin : begin + chunk]))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
