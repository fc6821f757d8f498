"""Percentiles, and how sure one may be of them.

Times of successive frames are not independent: a busy neighbour or a hot chip lasts for many frames, and one process
is faster than the next for as long as it lives (memory layout). So nothing here treats frames as independent.

Method: a hierarchical bootstrap. Processes are drawn with replacement, then, within each, circular blocks of
successive frames (Politis & Romano 1992, "A circular block-resampling procedure for stationary data"); the levels are
those of Kalibera & Jones 2013, "Rigorous benchmarking in reasonable time". Blocks are sqrt(n) frames long: longer than
the n**(1/3) that is best for short memory, which errs on the side of a wider interval. A percentile interval over few
processes is too narrow; it is widened as in Hesterberg 2015, "What teachers should know about the bootstrap"
(the expanded percentile interval): by sqrt(k / (k - 1)) and by Student's t over the normal quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = Sequence[Sequence[float]]
"""One sequence of times per process, in order of time."""
_Array: TypeAlias = npt.NDArray[np.float64]

_Lengths: TypeAlias = npt.NDArray[np.int64]

RESAMPLES = 2000
_TICK_MS = 1e-9
"""A stage can be faster than its clock's tick; the logarithm of its time must exist."""
_MAX_DRAWN = 2_000_000  # values drawn at once: bounds the memory to some 60 MB
LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
# Student's t, two-sided 95 %, 1..20 degrees of freedom; the normal quantile is near enough beyond.
_T: tuple[float, ...] = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_T += (2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086)


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def relative_width(self) -> float:
        """Half the interval's width over the estimate."""
        return (self.high - self.low) / 2 / self.value if self.value else 0.0


def pooled(samples: Samples) -> _Array:
    """The times of all processes as one array."""
    return np.concatenate([np.asarray(run, dtype=np.float64) for run in samples])


def quantile(samples: Samples, q: float) -> float:
    """The ``q`` quantile (0..1) over all processes; 0.5 = the median."""
    return float(np.quantile(pooled(samples), q))


def quantile_interval(samples: Samples, q: float = 0.5, resamples: int = RESAMPLES) -> Interval:
    """A quantile of ``samples`` with its 95 % interval, in the samples' unit."""
    drawn = np.log(_resampled_quantiles(samples, q, resamples, np.random.default_rng(0)))
    return _expanded(quantile(samples, q), drawn, [len(samples)])


def ratio_interval(numerator: Samples, denominator: Samples, q: float = 0.5, resamples: int = RESAMPLES) -> Interval:
    """The ratio of the ``q`` quantiles of two independent measurements with its 95 % interval, without a unit."""
    above = _resampled_quantiles(numerator, q, resamples, np.random.default_rng(0))
    below = _resampled_quantiles(denominator, q, resamples, np.random.default_rng(1))
    ratio = quantile(numerator, q) / max(quantile(denominator, q), _TICK_MS)
    return _expanded(ratio, np.log(above) - np.log(below), [len(numerator), len(denominator)])


def _resampled_quantiles(samples: Samples, q: float, resamples: int, rng: np.random.Generator) -> _Array:
    """The ``q`` quantile of each resample: ``float64 [resamples]``."""
    lengths = np.array([len(run) for run in samples])
    each = max(1, round(float(lengths.mean())))  # every drawn process gives as many, whatever it had time for
    padded = np.zeros((len(samples), lengths.max()))
    for index, run in enumerate(samples):
        padded[index, : len(run)] = run
    at_once = max(1, _MAX_DRAWN // (each * len(samples)))
    parts = [
        np.quantile(_draw(padded, lengths, each, min(at_once, resamples - done), rng), q, axis=1)
        for done in range(0, resamples, at_once)
    ]
    return np.maximum(np.concatenate(parts), _TICK_MS)


def _draw(padded: _Array, lengths: _Lengths, each: int, resamples: int, rng: np.random.Generator) -> _Array:
    """``resamples`` rows of processes drawn with replacement, ``each`` values of each in circular blocks."""
    processes = len(lengths)
    block = max(1, round(each**0.5))
    chosen = rng.integers(0, processes, (resamples, processes))
    starts = rng.integers(0, lengths[chosen][:, :, None], (resamples, processes, -(-each // block)))
    positions = (starts[..., None] + np.arange(block)).reshape(resamples, processes, -1)[:, :, :each]
    drawn: _Array = padded[chosen[:, :, None], positions % lengths[chosen][:, :, None]]
    return drawn.reshape(resamples, -1)


def _expanded(value: float, drawn_logs: _Array, processes: list[int]) -> Interval:
    """Percentile interval of logarithms about the estimate, widened for few processes (see the module's text)."""
    low, high = np.quantile(drawn_logs, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    center = np.log(max(value, _TICK_MS))
    widening = _widening(processes)
    low, high = center + widening * min(low - center, 0.0), center + widening * max(high - center, 0.0)
    return Interval(value, float(np.exp(low)), float(np.exp(high)))


def _widening(processes: list[int]) -> float:
    freedom = sum(k - 1 for k in processes)
    if freedom == 0:
        return 1.0  # single processes: what differs between processes cannot be known, only what differs within
    t = _T[freedom - 1] if freedom <= len(_T) else _Z
    k = freedom / len(processes) + 1
    return float((k / (k - 1)) ** 0.5 * t / _Z)
