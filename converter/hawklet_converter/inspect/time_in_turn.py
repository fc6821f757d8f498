"""Measuring things that take very different times against one another, in turn, so that a busy machine is fair."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import TypeVar

_Key = TypeVar("_Key")

ROUNDS = 20
_SAMPLE_SECONDS = 2e-4
"""Length of one sample: shorter calls are repeated within it, since a clock's own cost would show in them."""
_MOST_REPEATS = 200


def milliseconds(calls: Mapping[_Key, Callable[[], object]]) -> dict[_Key, float]:
    """Median CPU milliseconds of each call."""
    repeats = {key: _repeats(call) for key, call in calls.items()}
    times: dict[_Key, list[float]] = {key: [] for key in calls}
    for _ in range(ROUNDS):
        for key, call in calls.items():
            call()  # brings what it reads into the cache, where it would be in the whole network
            times[key].append(_one_sample(call, repeats[key]))
    return {key: median(values) * 1e3 for key, values in times.items()}


def _repeats(call: Callable[[], object]) -> int:
    call()
    return max(1, min(_MOST_REPEATS, int(_SAMPLE_SECONDS / max(_one_sample(call, 1), 1e-6))))


def _one_sample(call: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats
