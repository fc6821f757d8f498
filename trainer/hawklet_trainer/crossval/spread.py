"""What a few folds' figures say together: their mean, how far they lie apart, and how far the mean may be off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """Over the folds, all in percent; intervals end at 0 and 100."""

    mean: float
    deviation: float
    """Standard deviation from fold to fold (n - 1)."""
    low: float
    """Of the 95 % interval of the mean by Student's t, as if folds were independent."""
    high: float
    wide_low: float
    """Of the same interval with the variance corrected for what folds have in common."""
    wide_high: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, the intervals as ``[low, high]``."""
        values = asdict(self)
        interval, corrected = [values.pop("low"), values.pop("high")], [values.pop("wide_low"), values.pop("wide_high")]
        return {**values, "t_interval": interval, "corrected_t_interval": corrected}


def spread_of(values: Sequence[float]) -> Spread:
    """The spread of one figure in percent over at least two folds.

    Folds are not independent: any two of k train on (k - 2) / (k - 1) of their pictures together, and no unbiased
    estimate of the variance of their mean exists (Y. Bengio and Y. Grandvalet, "No unbiased estimator of the variance
    of k-fold cross-validation", 2004). The plain interval is too narrow. The wide one takes s^2 (1/k + n_test/n_train)
    for the variance of the mean (C. Nadeau and Y. Bengio, "Inference for the generalization error", 2003), with
    n_test/n_train = 1/(k - 1).

    Both are clipped to 0 and 100: the mean cannot lie beyond, so nothing that may be true is cut off.
    """
    from scipy import stats

    folds = len(values)
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    quantile = float(stats.t.ppf(0.5 + _LEVEL / 2, folds - 1))
    half = quantile * deviation / math.sqrt(folds)
    wide = quantile * deviation * math.sqrt(1 / folds + 1 / (folds - 1))
    ends = (mean - half, mean + half, mean - wide, mean + wide)
    return Spread(mean, deviation, *(min(100.0, max(0.0, end)) for end in ends))
