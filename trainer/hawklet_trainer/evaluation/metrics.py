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

_FIVE = 5


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
    """Mean of the classes' F1, percent; classes without pictures are left out, here and in all means."""
    per_class: tuple[ClassMetrics, ...]
    """In the order of the labels."""
    confusion: tuple[tuple[int, ...], ...]
    """``confusion[true][named]``, pictures."""
    top5: float | None
    """Pictures whose class is among the five best, percent; None with five classes or fewer, where all are."""
    macro_precision: float
    """Mean over the classes, percent; so on below."""
    macro_recall: float
    weighted_precision: float
    """Mean over the classes weighted by their pictures, percent; so on below."""
    weighted_recall: float
    weighted_f1: float

    @property
    def pictures(self) -> int:
        """How many were measured on."""
        return sum(entry.support for entry in self.per_class)

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
    means = _means(per_class)
    return Metrics(
        top1=100.0 * float((named == y_true).mean()),
        macro_f1=means["macro_f1"],
        per_class=per_class,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        top5=_top5(y_true, probabilities) if count > _FIVE else None,
        macro_precision=means["macro_precision"],
        macro_recall=means["macro_recall"],
        weighted_precision=means["weighted_precision"],
        weighted_recall=means["weighted_recall"],
        weighted_f1=means["weighted_f1"],
    )


def _means(per_class: Sequence[ClassMetrics]) -> dict[str, float]:
    shown = [entry for entry in per_class if entry.support]
    support = [entry.support for entry in shown]
    means = {}
    for figure in ("precision", "recall", "f1"):
        values = [float(getattr(entry, figure)) for entry in shown]
        means[f"macro_{figure}"] = float(np.mean(values))
        means[f"weighted_{figure}"] = float(np.average(values, weights=support))
    return means


def _top5(y_true: npt.NDArray[np.int64], scores: npt.NDArray[Any]) -> float:
    of_truth = scores[np.arange(len(y_true)), y_true][:, None]
    return 100.0 * float(((scores > of_truth).sum(axis=1) < _FIVE).mean())


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

    from hawklet_trainer.training.inputs import as_input
    from hawklet_trainer.training.modes import evaluation_mode

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
