"""Whether confidence means probability: bins of like confidence, and what they come to.

ECE and reliability diagrams: Guo et al., "On Calibration of Modern Neural Networks" (2017); bins of equal mass: Nixon
et al., "Measuring Calibration in Deep Learning" (2019); the Brier score in its form for several classes: G. Brier,
"Verification of forecasts expressed in terms of probability" (1950).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15
_DRAWS = 100

Scores = npt.NDArray[np.float64]
"""Of the best class of each picture, 0..1, ``float64 [N]``."""
Right = npt.NDArray[np.bool_]
"""Whether it was the right one, ``bool [N]``."""


@dataclass(frozen=True)
class Bin:
    """Pictures of like confidence."""

    low: float
    high: float
    """Confidence, 0..1."""
    count: int
    confidence: float
    """Mean score of the best class, 0..1; 0 in an empty bin."""
    accuracy: float
    """Share that was named rightly, 0..1; 0 in an empty bin."""


@dataclass(frozen=True)
class Calibration:
    """How honest a model's probabilities are on some pictures."""

    ece: float
    """Expected calibration error: mean distance of confidence from accuracy over equally wide bins, points."""
    ece_equal_mass: float
    """The same over bins of equally many pictures, points."""
    ece_by_chance: float
    """What ``ece`` would be on so many pictures of these scores if they were honest to the last digit, points: the
    distance is never negative, so chance adds up in it. The mean of :data:`_DRAWS` draws."""
    brier: float
    """Squared distance of the probabilities from the truth, summed over the classes, mean over the pictures: 0..2."""
    nll: float
    """Mean negative logarithm of the true class's probability, nats."""
    bins: tuple[Bin, ...]
    """Equally wide."""


def calibration(logs: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> Calibration:
    """Set confidence against accuracy.

    Args:
        logs: Logarithms of probabilities, ``float64 [N, C]``.
        truth: True label indices, ``int64 [N]``, N at least 1.
    """
    probabilities = np.exp(logs)
    scores, right = probabilities.max(axis=1), logs.argmax(axis=1) == truth
    bins = equally_wide(scores, right)
    rows = np.arange(len(truth))
    # The sum over the classes of (p - one-hot)^2, without an array of one-hots.
    brier = (probabilities**2).sum(axis=1) - 2 * probabilities[rows, truth] + 1
    return Calibration(
        ece=expected_error(bins),
        ece_equal_mass=expected_error(equally_full(scores, right)),
        ece_by_chance=_error_by_chance(scores),
        brier=float(brier.mean()),
        nll=float(-logs[rows, truth].mean()),
        bins=bins,
    )


def equally_wide(scores: Scores, right: Right, count: int = BINS) -> tuple[Bin, ...]:
    """``count`` bins from 0 to 1, some of which may be empty."""
    places = np.minimum((scores * count).astype(np.int64), count - 1)
    return tuple(
        _bin((index / count, (index + 1) / count), scores[places == index], right[places == index])
        for index in range(count)
    )


def equally_full(scores: Scores, right: Right, count: int = BINS) -> tuple[Bin, ...]:
    """At most ``count`` bins of equally many pictures (one more or less), in the order of their scores."""
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, min(count, len(order)))
    return tuple(_bin((float(scores[part[0]]), float(scores[part[-1]])), scores[part], right[part]) for part in parts)


def expected_error(bins: Sequence[Bin]) -> float:
    """Mean distance of confidence from accuracy, weighted by pictures, points."""
    total = sum(one.count for one in bins)
    return 100 * sum(one.count * abs(one.confidence - one.accuracy) for one in bins) / total


def _error_by_chance(scores: Scores) -> float:
    """ECE where every answer is right with the probability that its score says."""
    random = np.random.default_rng(0)
    places = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    of_bins = np.eye(BINS)[places]
    errors = [np.abs((scores - (random.random(len(scores)) < scores)) @ of_bins).sum() for _ in range(_DRAWS)]
    return 100 * float(np.mean(errors)) / len(scores)


def _bin(limits: tuple[float, float], scores: Scores, right: Right) -> Bin:
    count = len(scores)
    means = (float(scores.mean()), float(right.mean())) if count else (0.0, 0.0)
    return Bin(*limits, count, *means)
