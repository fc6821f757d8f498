"""How well a class's score tells its pictures from the others, whatever threshold is chosen: PR and ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MOST_POINTS = 80
"""Of a curve that is kept for drawing."""

_Counts = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]

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
    from sklearn.metrics import auc, roc_curve

    # Both curves and both areas come from these counts: scores are sorted once a class.
    false_rate, true_rate, _ = roc_curve(positive, scores, drop_intermediate=False)
    found = np.rint(true_rate * positive.sum())
    mistaken = np.rint(false_rate * (~positive).sum())
    precision = np.divide(found, found + mistaken, out=np.ones_like(found), where=found + mistaken > 0)
    corner, step = _corners(found, mistaken), _steps(found)
    return ClassRanking(
        label,
        100 * float((np.diff(true_rate) * precision[1:]).sum()),
        100 * float(auc(false_rate, true_rate)),
        _thinned(true_rate[step], precision[step]),
        _thinned(false_rate[corner], true_rate[corner]),
    )


def _corners(found: _Counts, mistaken: _Counts) -> _Flags:
    """Where a ROC curve turns, with its ends."""
    return np.concatenate([[True], (np.diff(found, 2) != 0) | (np.diff(mistaken, 2) != 0), [True]])


def _steps(found: _Counts) -> _Flags:
    """Where more are found than before, or will be next; once all are, only more of the others are taken for it."""
    more = np.diff(found) > 0
    steps: _Flags = np.concatenate([[True], more]) | np.concatenate([more, [False]])
    return steps


def _thinned(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Curve:
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).round().astype(int))
    return tuple((float(x[i]), float(y[i])) for i in chosen)


def mean_average_precision(rankings: Sequence[ClassRanking]) -> float | None:
    """Mean over the classes, percent; None where there is none."""
    return float(np.mean([one.average_precision for one in rankings])) if rankings else None


def mean_auc(rankings: Sequence[ClassRanking]) -> float | None:
    """Mean over the classes, percent; None where there is none."""
    return float(np.mean([one.auc for one in rankings])) if rankings else None
