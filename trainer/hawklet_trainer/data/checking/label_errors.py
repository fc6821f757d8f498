"""Pictures whose label is probably wrong, by confident learning.

C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021, as cleanlab
has it: a logistic regression on a pretrained network's features, trained on four fifths of the pictures, says how
probable the given label of each of the others is; how many labels are wrong is estimated from all of that. Of those
the ones are told whose given label is far less probable than a guess.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hawklet.errors import MissingDependencyError
from hawklet_trainer.data.checking.similar import Positions

FOLDS = 5
OF_A_GUESS = 0.2
"""Share of one over the number of classes below which a given label is told."""
_C = 0.05
"""Inverse strength of the regression's regularization. Twice or half as much changes little."""
_ROUNDS = 300


@dataclass(frozen=True)
class Suspect:
    """A picture whose label is probably wrong."""

    position: int
    given: float
    """Probability of its label, 0..1."""
    likely: int
    """The most probable class, its position in the labels."""
    confidence: float
    """Its probability, 0..1."""


@dataclass(frozen=True)
class Judgement:
    """What became of all labels."""

    suspects: tuple[Suspect, ...]
    """The least probable label first."""
    judged: int
    """Pictures whose label was judged: those of classes with at least :data:`FOLDS` different ones."""
    bound: float
    """Probability below which a given label is told."""


def require_cleanlab() -> None:
    """Raise MissingDependencyError where cleanlab, which brings scikit-learn, is not installed."""
    try:
        import cleanlab.filter  # noqa: F401 -- whether it is there is all that is asked
    except ImportError as error:
        raise MissingDependencyError.for_extra("cleanlab", "data", "finding likely label errors") from error


def judge_labels(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    together: npt.NDArray[np.int64],
    positions: Positions,
    seed: int,
) -> Judgement:
    """Find labels that are probably wrong.

    Args:
        features: ``float32 [N, F]``.
        labels: ``int32 [N]``.
        together: ``int64 [N]``: pictures of one number are never divided between what is trained on and what is judged,
            since copies would vouch for each other.
        positions: ``int64 [N]``, what the pictures are called in the answer.
        seed: Of the folds.

    Raises:
        MissingDependencyError: cleanlab is not installed.
    """
    require_cleanlab()
    from cleanlab.filter import find_label_issues

    chosen = _of_large_classes(labels, together)
    classes, given = np.unique(labels[chosen], return_inverse=True)
    if len(classes) < 2:
        return Judgement((), 0, 0.0)
    folds = _folds(given, together[chosen], seed)
    probable = _cross_validated(features[chosen], given, folds, len(classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ranked = find_label_issues(
            given, probable, filter_by="low_self_confidence", return_indices_ranked_by="self_confidence", n_jobs=1
        )
    bound = OF_A_GUESS / len(classes)
    suspects = [
        Suspect(int(positions[chosen[i]]), float(probable[i, given[i]]), int(classes[best]), float(probable[i, best]))
        for i, best in zip(ranked, probable[ranked].argmax(axis=1), strict=True)
        if probable[i, given[i]] < bound
    ]
    return Judgement(tuple(suspects), len(chosen), bound)


def _of_large_classes(labels: npt.NDArray[np.int32], together: npt.NDArray[np.int64]) -> Positions:
    """Pictures of classes that can be in every fold."""
    different: dict[int, set[int]] = defaultdict(set)
    for label, group in zip(labels.tolist(), together.tolist(), strict=True):
        different[label].add(group)
    large = [label for label, groups in different.items() if len(groups) >= FOLDS]
    return np.flatnonzero(np.isin(labels, large))


def _folds(given: Positions, together: npt.NDArray[np.int64], seed: int) -> Positions:
    """The fold of each picture: groups are dealt out class by class, a group by the class of its first picture."""
    groups, first, group_of = np.unique(together, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(groups))
    by_class = shuffled[np.argsort(given[first[shuffled]], kind="stable")]
    fold_of_group = np.empty(len(groups), np.int64)
    fold_of_group[by_class] = np.arange(len(groups)) % FOLDS
    folds: Positions = fold_of_group[group_of]
    return folds


def _cross_validated(
    features: npt.NDArray[np.float32], given: Positions, folds: Positions, classes: int
) -> npt.NDArray[np.float64]:
    """Probability of each class by a regression that has not seen the picture, ``[N, classes]``."""
    from sklearn.linear_model import LogisticRegression

    probable = np.zeros((len(given), classes))
    for fold in range(FOLDS):
        held_out = np.flatnonzero(folds == fold)
        if not len(held_out):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it stopped before the last digit stood still
            regression = LogisticRegression(C=_C, max_iter=_ROUNDS).fit(features[folds != fold], given[folds != fold])
        probable[np.ix_(held_out, regression.classes_)] = regression.predict_proba(features[held_out])
    return probable
