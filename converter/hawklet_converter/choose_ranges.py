"""Turn what activations look like into ranges, by one of a few named methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from hawklet_converter.collect_ranges import Distribution
from hawklet_converter.plan import LEVELS, ActivationQuant

_BINS = 2048
_SHRINKS = np.linspace(1.0, 0.3, 36)
_PERCENTILE = 0.01


def min_max(values: Distribution) -> tuple[float, float]:
    """The true extremes."""
    return values.low, values.high


def percentile(values: Distribution) -> tuple[float, float]:
    """All but 0.01 % of the values at either end."""
    low, high = np.percentile(values.samples, [_PERCENTILE, 100 - _PERCENTILE])
    return float(low), float(high)


def mse(values: Distribution) -> tuple[float, float]:
    """The range with the least mean squared error of rounding and clipping together, by search on a histogram.

    Source: the MSE criterion of Nagel et al., "A White Paper on Neural Network Quantization" (2021), section 3.1.
    """
    low, high = min(values.low, 0.0), max(values.high, 0.0)
    if high - low <= 0:
        return low, high
    counts, edges = np.histogram(values.samples, bins=_BINS, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    both = min(_SHRINKS, key=lambda s: _error(centres, counts, low * s, high * s))
    low, high = low * both, high * both
    top = min(_SHRINKS, key=lambda s: _error(centres, counts, low, high * s))
    bottom = min(_SHRINKS, key=lambda s: _error(centres, counts, low * s, high * top))
    return float(low * bottom), float(high * top)


def _error(centres: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], low: float, high: float) -> float:
    step = max((high - low) / (LEVELS - 1), 1e-12)
    clipped = np.clip(centres, low, high)
    outside = float((counts * (centres - clipped) ** 2).sum())
    inside = float(counts[centres == clipped].sum()) * step * step / 12
    return outside + inside


METHODS: dict[str, Callable[[Distribution], tuple[float, float]]] = {
    "mse": mse,
    "min-max": min_max,
    "percentile": percentile,
}
"""Ways to choose ranges by the values alone."""


def choose_ranges(
    distributions: Mapping[str, Distribution], method: str, given: Mapping[str, ActivationQuant]
) -> dict[str, ActivationQuant]:
    """Grids of all activations.

    Args:
        distributions: fx node -> what its values look like.
        method: A name of :data:`METHODS`.
        given: Grids that are known beforehand, as the input's is.
    """
    choose = METHODS[method]
    return {
        name: given[name] if name in given else ActivationQuant.covering(*choose(values))
        for name, values in distributions.items()
    }
