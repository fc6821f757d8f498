"""One number that turns logits into honest probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hawklet.spec import Floats

_LOWEST, _HIGHEST = 0.05, 20.0
_STEPS = 60
_GOLDEN = (5**0.5 - 1) / 2


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
