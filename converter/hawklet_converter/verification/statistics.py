"""The arithmetic of a verification: numpy alone, no pictures, no files.

Shares are percent, probabilities 0..1, differences of logits in logits, divergences in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hawklet_trainer.evaluation.calibration import Bin, equally_wide, expected_error

Labels = npt.NDArray[np.int64]
"""True classes, ``int64 [N]``."""
Logs = npt.NDArray[np.float64]
"""Logarithms of probabilities, ``float64 [N, classes]``."""

BINS = 10
"""Bins of confidence, equally wide."""


def mcnemar(lost: int, gained: int) -> float:
    """How likely a difference at least as large is by chance alone, if both models are equally good: McNemar's test in
    its exact, binomial form, two-sided.

    Only pictures that one model names rightly and the other wrongly tell the two apart.

    Args:
        lost: Pictures that the reference alone names rightly.
        gained: Pictures that the other alone names rightly.
    """
    count = lost + gained
    ways = tail = 1  # binomial coefficients, each from the one before: exact, and quick for thousands of pictures
    for k in range(min(lost, gained)):
        ways = ways * (count - k) // (k + 1)
        tail += ways
    return min(1.0, float(2 * tail / 2**count))


def divergence(reference: Logs, other: Logs) -> float:
    """Mean Kullback-Leibler divergence of ``other`` from ``reference``, nats."""
    return float((np.exp(reference) * (reference - other)).sum(axis=1).mean())


def movement(reference: Logs, other: Logs) -> npt.NDArray[np.float64]:
    """How much probability changed its class, per picture: total variation, 0..1, ``float64 [N]``."""
    moved: npt.NDArray[np.float64] = np.abs(np.exp(reference) - np.exp(other)).sum(axis=1) / 2
    return moved


@dataclass(frozen=True)
class LogitError:
    """How far one model's logits lie from another's. What is added to all logits of a picture alike moves no
    probability, so each picture's mean is taken off first."""

    rms: float
    worst: float
    spread: float
    """Root mean square of the reference's own logits: what the errors are to be held against."""
    relative_rms: float
    """``rms / spread``."""
    relative_worst: float
    """``worst / spread``."""
    sqnr_db: float | None
    """Signal to quantization noise, decibels; None: no noise at all."""


def logit_error(reference: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> LogitError:
    """Compare logits ``float [N, classes]``."""
    wanted = _centred(reference)
    error = _centred(other) - wanted
    rms, spread = _rms(error), _rms(wanted)
    worst = float(np.abs(error).max())
    held_against = spread or 1.0  # logits that are all alike have no spread to hold an error against
    sqnr = 20 * math.log10(held_against / rms) if rms else None
    return LogitError(rms, worst, spread, rms / held_against, worst / held_against, sqnr)


def _centred(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    exact = logits.astype(np.float64)
    centred: npt.NDArray[np.float64] = exact - exact.mean(axis=1, keepdims=True)
    return centred


def _rms(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt((values**2).mean()))


@dataclass(frozen=True)
class Calibration:
    """Whether confidence means probability."""

    ece: float
    """Expected calibration error: mean distance of confidence from accuracy over the bins, points."""
    bins: tuple[Bin, ...]


def calibration(logs: Logs, truth: Labels) -> Calibration:
    """Set confidence against accuracy in :data:`BINS` bins (Guo et al., 2017)."""
    bins = equally_wide(np.exp(logs.max(axis=1)), logs.argmax(axis=1) == truth, BINS)
    return Calibration(expected_error(bins), bins)
