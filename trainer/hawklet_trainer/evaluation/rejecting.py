"""A least score for each class, from which on its answers are as often right as is wanted.

Fitted on validation pictures, on the scores of the very file that will answer, scaled by its temperature. Of few
pictures the plain share of right answers lies: the lowest threshold at which it *happens* to be high enough is the
luckiest of many. So a class gets the lowest threshold at which the pictures show the wanted precision with 95 %
confidence; where they are too few for that, the lowest at which both the share of right answers and the mean of their
scores, which is what calibrated scores promise, reach it; and where that fails, or would be stricter, the wanted
precision as a score, unless the pictures speak against it (docs/decisions/0123-when-to-say-nothing.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

_DOUBT = 0.05
"""How often a precision that is said to be shown may be by chance alone."""
_BELOW_ALL = 0.01
"""How far below the lowest score that was seen a threshold may lie: of lower ones nothing is known."""

_Scores = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


class Ground(str, Enum):
    """What speaks for a class's threshold."""

    SHOWN = "shown"
    """The validation pictures show the wanted precision with 95 % confidence."""
    MEASURED = "measured"
    """They are too few to show it; it was measured on them, and their scores promise it."""
    SCORE = "score"
    """Answers are accepted whose own score is the wanted precision: no threshold that accepts more did either."""


@dataclass(frozen=True)
class ClassThreshold:
    """From which score on a class is accepted, and what speaks for it."""

    label: str
    least: float
    """Lowest accepted score, 0..1."""
    ground: Ground
    named: int
    """Validation pictures that were named so."""
    accepted: int
    """Of them, those whose score is high enough."""
    right: int
    """Of the accepted ones, those that are of this class."""

    @property
    def precision(self) -> float | None:
        """Share of the accepted pictures that are of this class, percent; None where none was accepted."""
        return 100 * self.right / self.accepted if self.accepted else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "ground": self.ground.value, "precision": self.precision}


def fit_thresholds(
    scores: npt.NDArray[np.floating], truth: npt.NDArray[np.int64], labels: Sequence[str], wanted: float
) -> tuple[ClassThreshold, ...]:
    """The lowest threshold of each class that the wanted precision can be had with.

    Args:
        scores: Calibrated probabilities of validation pictures, ``float [N, C]``.
        truth: True label indices, ``int64 [N]``.
        labels: C class names.
        wanted: Share of the accepted answers of a class that are to be right, above 0 and below 1.
    """
    named, best = scores.argmax(axis=1), scores.max(axis=1).astype(np.float64)
    right = named == truth
    return tuple(_fit(label, best[named == index], right[named == index], wanted) for index, label in enumerate(labels))


def _fit(label: str, scores: _Scores, right: _Flags, wanted: float) -> ClassThreshold:
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    shown, measured = _reached(scores, right, wanted)
    if len(shown):
        return _accepting(label, scores, right, int(shown[-1]) + 1, Ground.SHOWN)
    by_score = _by_score(label, scores, right, wanted)
    if not len(measured):
        return by_score
    by_share = _accepting(label, scores, right, int(measured[-1]) + 1, Ground.MEASURED)
    # Stricter than the score itself, for one mistake among few perhaps: only if the pictures speak against the score.
    stricter = by_share.accepted < by_score.accepted
    return by_score if stricter and not _is_refuted(by_score, wanted) else by_share


def _reached(scores: _Scores, right: _Flags, wanted: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The positions in descending ``scores`` down to which the precision is shown, and to which it is measured."""
    counts, rights = np.arange(1, len(scores) + 1), np.cumsum(right, dtype=np.int64)
    parts = scores > np.append(scores[1:], -np.inf)  # equal scores are accepted together or not at all
    measured = rights >= wanted * counts - 1e-9
    promised = np.cumsum(scores) >= wanted * counts - 1e-9
    return np.flatnonzero(parts & is_shown(rights, counts, wanted)), np.flatnonzero(parts & measured & promised)


def _accepting(label: str, scores: _Scores, right: _Flags, count: int, ground: Ground) -> ClassThreshold:
    return ClassThreshold(label, _least(scores, count), ground, len(scores), count, int(right[:count].sum()))


def _by_score(label: str, scores: _Scores, right: _Flags, wanted: float) -> ClassThreshold:
    accepted = scores >= wanted
    counts = (len(scores), int(accepted.sum()), int(right[accepted].sum()))
    return ClassThreshold(label, wanted, Ground.SCORE, *counts)


def _is_refuted(fitted: ClassThreshold, wanted: float) -> bool:
    """Whether so many mistakes as a threshold accepts would be chance in one of twenty cases at most."""
    from scipy.special import bdtrc

    mistakes = fitted.accepted - fitted.right
    return mistakes > 0 and bool(bdtrc(mistakes - 1, fitted.accepted, 1 - wanted) <= _DOUBT)


def is_shown(right: npt.NDArray[np.int64], count: npt.NDArray[np.int64], wanted: float) -> _Flags:
    """Whether so many right answers of so many show a precision of ``wanted`` with 95 % confidence.

    By the exact binomial test, which is that the lower bound of C. Clopper and E. Pearson (1934) reaches it; used for
    rejecting by Y. Geifman and R. El-Yaniv, "Selective Classification for Deep Neural Networks" (2017).
    """
    from scipy.special import bdtr

    shown: _Flags = bdtr(count - right, count, 1 - wanted) <= _DOUBT
    return shown


def pictures_to_show(wanted: float) -> int:
    """How many accepted pictures of a class show ``wanted``, if every one of them is right."""
    return math.ceil(math.log(_DOUBT) / math.log(wanted))


def _least(scores: _Scores, count: int) -> float:
    """A threshold that accepts the first ``count`` of descending ``scores`` and no others."""
    lowest = float(scores[count - 1])
    return number_between(float(scores[count]) if count < len(scores) else max(0.0, lowest - _BELOW_ALL), lowest)


def number_between(low: float, high: float) -> float:
    """The middle of two numbers, with as few digits as tell it from both: what is rounded otherwise on another machine
    stays on its side."""
    middle = (low + high) / 2
    for digits in range(2, 16):
        rounded = round(middle, digits)
        if low < rounded < high:
            return rounded
    return middle
