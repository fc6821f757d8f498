"""The search for a file that keeps the accuracy: cheapest attempt first, each judged by the files it leads to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hawklet.errors import BudgetError
from hawklet_converter.candidate import Candidate
from hawklet_converter.recipes import Attempt, Recipe
from hawklet_converter.search_store import SearchStore
from hawklet_converter.steps import Steps

_SAME_SPEED = 1.03
"""Times within this factor are not told apart."""


class Prefer(str, Enum):
    """When the search is content."""

    FIRST = "first"
    """With the first candidate that keeps the accuracy."""
    LATENCY = "latency"
    """When everything was tried that the time allows: the fastest that keeps the accuracy is taken."""


@dataclass(frozen=True)
class SearchLimits:
    """What the search may spend, and what it must keep."""

    before: float
    """Top-1 of the float network on the validation pictures, percent."""
    max_drop: float
    """Points of it that may be lost."""
    budget_s: float
    """Seconds after which nothing new is begun; the first attempt is always made."""
    prefer: Prefer = Prefer.FIRST


class Maker(Protocol):
    """Makes and measures candidates."""

    def make(self, recipe: Recipe, attempt: Attempt | None, deadline: float) -> Candidate:
        """One candidate; ``attempt`` is None where a recipe has one way only."""


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    chosen: Candidate
    tried: tuple[Candidate, ...]
    """In the order of trying, the chosen one among them."""
    left_out: tuple[str, ...]
    """Attempts that the time did not allow."""


def search(recipes: Sequence[Recipe], limits: SearchLimits, maker: Maker, store: SearchStore, steps: Steps) -> Found:
    """Try attempts until one keeps the accuracy, or the time is spent.

    Raises:
        BudgetError: none of them keeps it; the message has the nearest, and the candidates are left in the store.
    """
    start = time.monotonic()
    tried: list[Candidate] = []
    waiting = list(_attempts(recipes))
    while waiting:
        if tried and _content(tried, limits):
            break
        if tried and time.monotonic() - start >= limits.budget_s:
            break
        recipe, attempt, name = waiting.pop(0)
        tried.append(_made(name, store, steps, lambda: maker.make(recipe, attempt, start + limits.budget_s)))  # noqa: B023 -- called at once
    kept = [candidate for candidate in tried if _keeps(candidate, limits)]
    if not kept:
        raise BudgetError(_shortfall(tried, limits, [name for _, _, name in waiting]))
    chosen = _fastest(kept) if limits.prefer is Prefer.LATENCY else kept[0]
    return Found(chosen, tuple(tried), () if _content(tried, limits) else tuple(name for _, _, name in waiting))


def _attempts(recipes: Sequence[Recipe]) -> Iterator[tuple[Recipe, Attempt | None, str]]:
    for recipe in recipes:
        if not recipe.attempts:
            yield recipe, None, recipe.name
        for attempt in recipe.attempts:
            yield recipe, attempt, f"{recipe.name}: {attempt.name}"


def _made(name: str, store: SearchStore, steps: Steps, make: Callable[[], Candidate]) -> Candidate:
    done = store.get(name)
    if done is not None:
        steps.note(f"{name}: done before")
        return done
    with steps.step(f"trying {name}"):
        candidate = make()
    store.put(name, candidate)
    return candidate


def _content(tried: Sequence[Candidate], limits: SearchLimits) -> bool:
    return limits.prefer is Prefer.FIRST and any(_keeps(candidate, limits) for candidate in tried)


def _keeps(candidate: Candidate, limits: SearchLimits) -> bool:
    return candidate.drop(limits.before) <= limits.max_drop + 1e-9


def _fastest(kept: Sequence[Candidate]) -> Candidate:
    """The one nearest to the float network of those that are as fast as the fastest, as far as one can tell."""
    fastest = min(map(_speed, kept))
    level = [candidate for candidate in kept if _speed(candidate) <= fastest * _SAME_SPEED]
    return min(level, key=lambda candidate: max(candidate.divergence.values()))


def _speed(candidate: Candidate) -> float:
    """Time against the float file of the same format; a candidate that was not timed is no faster."""
    shares = [ms / candidate.float_ms[model_format] for model_format, ms in candidate.ms.items()]
    return min(shares, default=1.0)


def _shortfall(tried: Sequence[Candidate], limits: SearchLimits, left_out: Sequence[str]) -> str:
    nearest = min(tried, key=lambda candidate: candidate.drop(limits.before))
    losses = ", ".join(
        f"{nearest.precision.value}-{f.value} loses {limits.before - top:.1f}" for f, top in nearest.top1.items()
    )
    waiting = f"; {len(left_out)} more wait for a longer --budget, with --resume" if left_out else ""
    return f"the nearest of {len(tried)} tried ({nearest.recipe}: {nearest.method}): {losses}{waiting}"
