"""The search for a file that keeps the accuracy: cheapest attempt first, each judged by the files it leads to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hawklet.errors import BudgetError, ModelError
from hawklet_converter.candidate import Candidate
from hawklet_converter.recipes import Attempt, Recipe
from hawklet_converter.search_store import SearchStore
from hawklet_converter.steps import Steps

SAME_SPEED = 1.03
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
    times_count: bool = True
    """Whether times are those of the target; if not, they decide nothing."""


class Maker(Protocol):
    """Makes and measures candidates."""

    def make(self, recipe: Recipe, attempt: Attempt | None, deadline: float) -> Candidate:
        """One candidate; ``attempt`` is None where a recipe has one way only.

        Raises:
            ModelError: this attempt does not work on this network; others may.
        """


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    chosen: Candidate
    tried: tuple[Candidate, ...]
    """In the order of trying, the chosen one among them."""
    left_out: tuple[str, ...]
    """Attempts that the time did not allow."""
    failed: Mapping[str, str]
    """Attempts that do not work on this network, each with the reason."""


class NothingKeptError(BudgetError):
    """No candidate keeps the accuracy.

    Args:
        message: How near they came.
        tried: In the order of trying.
    """

    def __init__(self, message: str, tried: Sequence[Candidate]) -> None:
        super().__init__(message)
        self.tried = tuple(tried)


def search(recipes: Sequence[Recipe], limits: SearchLimits, maker: Maker, store: SearchStore, steps: Steps) -> Found:
    """Try attempts until one keeps the accuracy, or the time is spent.

    Raises:
        NothingKeptError: none of them keeps it; the message has the nearest, and the candidates are left in the store.
        BudgetError: there is no time for the only attempts, which train.
        ModelError: no attempt works on this network; the reason is that of the first.
    """
    start = time.monotonic()
    tried: list[Candidate] = []
    failed: dict[str, str] = {}
    waiting = list(_attempts(recipes))
    while waiting and not _content(tried, limits):
        recipe, attempt, name = waiting[0]
        trains = attempt is not None and attempt.train
        if (tried or trains) and time.monotonic() - start >= limits.budget_s:
            break
        del waiting[0]
        try:
            tried.append(_made(name, store, steps, lambda: maker.make(recipe, attempt, start + limits.budget_s)))  # noqa: B023 -- called at once
        except ModelError as error:
            failed[name] = str(error)
            steps.note(f"{name} does not work on this network: {error}")
    left_out = () if _content(tried, limits) else tuple(name for _, _, name in waiting)
    if not tried:
        raise _nothing_made(failed, limits)
    kept = [candidate for candidate in tried if _keeps(candidate, limits)]
    if not kept:
        raise NothingKeptError(_shortfall(tried, limits, left_out), tried)
    chosen = _best(kept, limits) if limits.prefer is Prefer.LATENCY else kept[0]
    return Found(chosen, tuple(tried), left_out, failed)


def _nothing_made(failed: Mapping[str, str], limits: SearchLimits) -> ModelError | BudgetError:
    for reason in failed.values():
        return ModelError(reason)
    return BudgetError(f"training needs time, got --budget {limits.budget_s:g}s; allow some minutes, as --budget 10m")


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
    if candidate.finished:
        store.put(name, candidate)
    return candidate


def _content(tried: Sequence[Candidate], limits: SearchLimits) -> bool:
    return limits.prefer is Prefer.FIRST and any(_keeps(candidate, limits) for candidate in tried)


def _keeps(candidate: Candidate, limits: SearchLimits) -> bool:
    return candidate.drop(limits.before) <= limits.max_drop + 1e-9


def _best(kept: Sequence[Candidate], limits: SearchLimits) -> Candidate:
    """The one nearest to the float network of those that are as fast as the fastest, as far as one can tell."""
    fastest = min(map(_speed, kept))
    level = [c for c in kept if not limits.times_count or _speed(c) <= fastest * SAME_SPEED]
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
