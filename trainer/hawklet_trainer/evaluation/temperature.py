"""From what a model answers to honest probabilities, by one number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hawklet.spec import Floats, OutputKind

_LOWEST, _HIGHEST = 0.05, 20.0
_STEPS = 60
_GOLDEN = (5**0.5 - 1) / 2
_LEAST = 1e-9
"""No probability is taken for less: its logarithm must be a number."""


def fit_temperature(logits: Floats, truth: npt.NDArray[np.int64]) -> float:
    """The temperature of least negative log likelihood, by golden-section search on its logarithm.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017). Every picture counts as mistaken for its
    strongest wrong class with probability 1 / (N + 2), Laplace's rule of succession: without it, N right answers would
    prove certainty, and the best temperature would be 0.

    Args:
        logits: ``float32 [N, classes]`` of pictures that were not trained on.
        truth: ``int64 [N]``.

    Returns:
        0.05..20; logits are divided by it before the softmax.
    """
    others = logits.astype(np.float64)
    others[np.arange(len(truth)), truth] = -np.inf
    answers = (truth, others.argmax(axis=1))
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _loss(logits, answers, float(np.exp(left))) < _loss(logits, answers, float(np.exp(right))):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _loss(logits: Floats, answers: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], temperature: float) -> float:
    truth, mistake = answers
    rows, doubt = np.arange(len(truth)), 1 / (len(truth) + 2)
    logs = log_softmax(logits / temperature)
    return float(-((1 - doubt) * logs[rows, truth] + doubt * logs[rows, mistake]).mean())


def log_softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Log probabilities, ``float64 [N, classes]``."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float64)


def log_probabilities(raw: Floats, output: OutputKind, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Logarithms of the probabilities, ``float64 [N, classes]``; those of a model that answers in probabilities are
    taken as they come.

    Args:
        raw: The model's own outputs, ``float32 [N, classes]``.
        output: What they are.
        temperature: Logits are divided by it.
    """
    if output is OutputKind.PROBABILITIES:
        return _logs_of_probabilities(raw.astype(np.float64))
    return log_softmax(raw / np.float32(temperature))


def _logs_of_probabilities(raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A probability of 0 on an integer grid is anything below half a step, and is taken for that half."""
    positive = raw[raw > 0]
    floor = max(_LEAST, float(positive.min()) / 2) if positive.size else _LEAST
    floored = np.maximum(raw, floor)
    logs: npt.NDArray[np.float64] = np.log(floored / floored.sum(axis=1, keepdims=True))
    return logs
