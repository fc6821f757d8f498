"""How good a classifier is. The numbers are computed with numpy alone; torch is imported only to run a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hawklet.spec import Floats, Pixels

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ClassMetrics:
    """One class's figures."""

    label: str
    precision: float
    """Of the pictures named so, how many were: percent; 0 when none was named so."""
    recall: float
    """Of the pictures of this class, how many were named so: percent; 0 when there were none."""
    f1: float
    """Harmonic mean of both, percent."""
    support: int
    """Pictures of this class."""


@dataclass(frozen=True)
class Metrics:
    """A classifier's figures on one split."""

    top1: float
    """Pictures named rightly, percent."""
    macro_f1: float
    """Mean of the classes' F1, percent; classes without pictures are left out."""
    per_class: tuple[ClassMetrics, ...]
    """In the order of the labels."""
    confusion: tuple[tuple[int, ...], ...]
    """``confusion[true][named]``, pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def measure(y_true: npt.NDArray[np.int64], probabilities: npt.NDArray[Any], labels: Sequence[str]) -> Metrics:
    """Compute all figures.

    Args:
        y_true: True label indices, ``int [N]``, N at least 1.
        probabilities: Scores or logits, ``[N, C]``; only their order matters.
        labels: C class names.

    Raises:
        ValueError: the shapes do not fit.
    """
    count = len(labels)
    if probabilities.shape != (len(y_true), count) or len(y_true) == 0:
        raise ValueError(f"expected scores [{len(y_true)}, {count}], N at least 1, got {list(probabilities.shape)}")
    named = probabilities.argmax(axis=1)
    confusion = np.zeros((count, count), dtype=np.int64)
    np.add.at(confusion, (y_true, named), 1)
    per_class = tuple(_class_metrics(confusion, index, label) for index, label in enumerate(labels))
    shown = [metrics.f1 for metrics in per_class if metrics.support]
    rows = tuple(tuple(int(n) for n in row) for row in confusion)
    return Metrics(100.0 * float((named == y_true).mean()), float(np.mean(shown)), per_class, rows)


def _class_metrics(confusion: npt.NDArray[np.int64], index: int, label: str) -> ClassMetrics:
    right = int(confusion[index, index])
    support, named = int(confusion[index].sum()), int(confusion[:, index].sum())
    f1 = 200.0 * right / (support + named) if support + named else 0.0
    return ClassMetrics(label, _percent(right, named), _percent(right, support), f1, support)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


def network_logits(net: nn.Module, pixels: Pixels, zp: int, scale: float, batch: int = 32) -> Floats:
    """Run a network in float32 in evaluation mode.

    Args:
        net: Takes ``float [N, 3, H, W]``, returns logits ``[N, C]``; its mode is restored afterwards.
        pixels: ``uint8 [N, H, W, 3]``, RGB, 0..255.
        zp: Pixel value that becomes 0.
        scale: ``x = (pixel - zp) * scale``.
        batch: Pictures at a time.

    Returns:
        Logits, ``float32 [N, C]``.
    """
    import torch

    from hawklet_trainer.training.loop import as_input, evaluation_mode

    with evaluation_mode(net), torch.inference_mode():
        parts = [net(as_input(pixels[i : i + batch], zp, scale)).float() for i in range(0, len(pixels), batch)]
    result: Floats = torch.cat(parts).cpu().numpy().astype(np.float32)
    return result


def probabilities_of(net: nn.Module, pixels: Pixels, zp: int, scale: float, batch: int = 32) -> Floats:
    """Softmax of :func:`network_logits`: ``float32 [N, C]``."""
    import torch

    result: Floats = torch.softmax(torch.from_numpy(network_logits(net, pixels, zp, scale, batch)), dim=1).numpy()
    return result


def accuracy_of(net: nn.Module, pixels: Pixels, labels: npt.NDArray[np.int64], zp: int, scale: float) -> float:
    """Top-1 accuracy in percent of a network in float32; arguments as for :func:`network_logits`."""
    return 100.0 * float((probabilities_of(net, pixels, zp, scale).argmax(axis=1) == labels).mean())
