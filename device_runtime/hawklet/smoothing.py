"""Steadier answers from frames that follow each other: their scores are averaged over time."""

from __future__ import annotations

import math

import numpy as np

from hawklet.spec import Floats

SMALLEST = 1 / 512
"""Scores count as no smaller: half a step of an 8-bit score, so that one rounded zero is no veto."""


class Smoother:
    """Averages scores geometrically, with weights that fade exponentially with age.

    The geometric mean is the logarithmic opinion pool (Genest and Zidek, "Combining Probability Distributions",
    Statistical Science 1986): frames that are sure count for more than frames that are not.

    Args:
        frames: After so many classified frames an old one's weight has fallen to 1/e; above 0.
    """

    def __init__(self, frames: float) -> None:
        self._share = 1 - math.exp(-1 / frames)
        self._mean: Floats | None = None
        self._energy: float | None = None

    def __call__(self, scores: Floats) -> Floats:
        """The average so far, ``float32 [classes]`` with sum 1, after ``scores`` of the newest frame, likewise."""
        logs = np.log(np.maximum(scores, SMALLEST))
        self._mean = logs if self._mean is None else self._mean + self._share * (logs - self._mean)
        exponent = np.exp(self._mean - self._mean.max())
        return np.asarray(exponent / exponent.sum(), dtype=np.float32)

    def energy(self, energy: float) -> float:
        """The average so far after ``energy`` of the newest frame, by the same weights: energies are logarithms anyway.

        So one odd frame rejects nothing, and a scene that stays odd is rejected as late as a new label is named.
        """
        self._energy = energy if self._energy is None else self._energy + self._share * (energy - self._energy)
        return self._energy
