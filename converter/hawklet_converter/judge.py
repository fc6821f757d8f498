"""How near the answers of a quantized file come to the float file's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hawklet.spec import Floats
from hawklet_trainer.evaluation.temperature import log_softmax


@dataclass(frozen=True)
class Judgement:
    """How near the logits of a quantized file come to the float file's, on the same pictures."""

    divergence: float
    """Mean Kullback-Leibler divergence of the probabilities, nats."""
    agreement: float
    """Share of pictures with the same best class, percent."""


def judge(logits: Floats, reference: Floats) -> Judgement:
    """Compare two outputs ``float32 [N, classes]``."""
    log_p, log_q = log_softmax(reference), log_softmax(logits)
    divergence = float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())
    return Judgement(divergence, agreement(logits, reference))


def agreement(logits: Floats, reference: Floats) -> float:
    """Share of pictures with the same best class, percent."""
    return float((logits.argmax(axis=1) == reference.argmax(axis=1)).mean() * 100)
