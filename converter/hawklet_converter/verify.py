"""Measure exported files as the device will see them: through the runtime's own classifier, on prepared pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hawklet.classifier import Classifier
from hawklet.engines import open_engine
from hawklet.golden import record
from hawklet.spec import Floats, ModelFormat, Pixels, PreprocessSpec


def open_classifier(
    content: bytes, model_format: ModelFormat, labels: Sequence[str], spec: PreprocessSpec
) -> Classifier:
    """A classifier of a file's bytes, on one thread, so that a busy machine does not matter."""
    return Classifier(open_engine(content, model_format, threads=1), labels, spec)


def logits_of(classifier: Classifier, pixels: Pixels) -> Floats:
    """Raw outputs, ``float32 [N, classes]``, of prepared pictures ``uint8 [N, H, W, C]``."""
    return record(classifier, pixels)


def top1(logits: npt.NDArray[np.floating], truth: npt.NDArray[np.int64]) -> float:
    """Percent of pictures whose best class is the true one."""
    return float((logits.argmax(axis=1) == truth).mean() * 100)
