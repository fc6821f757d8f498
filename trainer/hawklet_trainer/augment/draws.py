"""Random numbers of torch's global generator, as plain floats."""

from __future__ import annotations

import math

import torch


def uniform(low: float, high: float) -> float:
    """Any number between the two alike."""
    return low + (high - low) * float(torch.rand(()))


def log_uniform(low: float, high: float) -> float:
    """Any ratio between the two alike: as many between 1 and 2 as between 8 and 16."""
    return math.exp(uniform(math.log(low), math.log(high)))


def happens(probability: float) -> bool:
    """True in this share of the calls."""
    return uniform(0.0, 1.0) < probability
