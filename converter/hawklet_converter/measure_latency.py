"""CPU time of model files against one another: interleaved, one thread, so that a noisy machine treats all alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

from hawklet.classifier import Classifier
from hawklet.spec import Pixels

_ROUNDS = 30
_WARM_UP = 3


def measure_latency(classifiers: Mapping[str, Classifier], pictures: Mapping[str, Pixels]) -> dict[str, float]:
    """Median CPU milliseconds of one inference.

    Args:
        classifiers: Name -> a classifier with one thread.
        pictures: Name -> what it takes, ``uint8 [H, W, C]``, prepared.
    """
    times: dict[str, list[float]] = {name: [] for name in classifiers}
    for turn in range(_WARM_UP + _ROUNDS):
        for name, classifier in classifiers.items():
            classifier.raw_output(pictures[name])  # alone on a board, a model finds its own weights in the caches
            start = time.process_time()
            classifier.raw_output(pictures[name])
            if turn >= _WARM_UP:
                times[name].append(time.process_time() - start)
    return {name: median(values) * 1e3 for name, values in times.items()}
