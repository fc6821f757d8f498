"""How well a class's score tells its pictures from the others, whatever threshold is chosen: PR and ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MOST_POINTS = 80
"""Of a curve that is kept for drawing."""

Curve = tuple[tuple[float, float], ...]
"""Points (x, y), each 0..1, x ascending."""


@dataclass(frozen=True)
class ClassRanking:
    """One class against all others."""

    label: str
    average_precision: float
    """Area below the precision-recall curve, as steps, percent."""
    auc: float
    """Area below the ROC curve: how often a picture of the class scores higher than one of another, percent."""
    precision_recall: Curve
    """Precision over recall."""
    roc: Curve
    """True positive rate over false positive rate."""


def rank_classes(
    logs: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], labels: Sequence[str]
) -> tuple[ClassRanking, ...]:
    """The curves of every class that has pictures and is not alone, by scikit-learn.

    Args:
        logs: Logarithms of probabilities, ``float64 [N, C]``; those of one class only matter by their order.
        truth: True label indices, ``int64 [N]``.
        labels: C class names.
    """
    present = np.bincount(truth, minlength=len(labels))
    return tuple(
        _rank(label, truth == index, logs[:, index])
        for index, label in enumerate(labels)
        if 0 < present[index] < len(truth)
    )


def _rank(label: str, positive: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> ClassRanking:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    precision, recall, _ = precision_recall_curve(positive, scores, drop_intermediate=True)
    precision, recall = precision[::-1], recall[::-1]
    found_all = int(np.argmax(recall == 1.0)) + 1  # from there on only more of the others are taken for it
    false_rate, true_rate, _ = roc_curve(positive, scores)
    return ClassRanking(
        label,
        100 * float(average_precision_score(positive, scores)),
        100 * float(auc(false_rate, true_rate)),
        _thinned(recall[:found_all], precision[:found_all]),
        _thinned(false_rate, true_rate),
    )


def _thinned(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Curve:
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).round().astype(int))
    return tuple((float(x[i]), float(y[i])) for i in chosen)


def mean_average_precision(rankings: Sequence[ClassRanking]) -> float | None:
    """Mean over the classes, percent; None where there is none."""
    return float(np.mean([one.average_precision for one in rankings])) if rankings else None


def mean_auc(rankings: Sequence[ClassRanking]) -> float | None:
    """Mean over the classes, percent; None where there is none."""
    return float(np.mean([one.auc for one in rankings])) if rankings else None
