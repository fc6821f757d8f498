"""Pictures of no class: how unfamiliar a picture must look to be rejected, and whether that finds them.

The bound is fitted on validation pictures alone, to accept a stated share of such. Pictures of no class never move it:
those of tomorrow are others than any that could be collected today. They only show what it is worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hawklet.acceptance import UnknownRule, energy_of
from hawklet.errors import DataError
from hawklet.images import IMAGE_SUFFIXES
from hawklet_trainer.data import Photo, Place
from hawklet_trainer.data.checking.before_training import look_at
from hawklet_trainer.data.listing import walk
from hawklet_trainer.evaluation.rejecting import number_between
from hawklet_trainer.evaluation.temperature import log_softmax

_NO_CLASS = -1
_BEYOND = 0.1
"""How far above the highest energy that was seen a bound may lie, in units of the logits."""

_Logits = npt.NDArray[np.floating]
_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UnknownPictures:
    """Pictures that show none of a model's classes."""

    folder: Path
    photos: tuple[Photo, ...]
    """Their label index is none."""
    warnings: tuple[str, ...]
    """A line for each that was left out."""


def read_unknown(folder: Path, labels: tuple[str, ...], known: Mapping[str, str]) -> UnknownPictures:
    """List pictures of no class, in a folder or in folders below it.

    Args:
        folder: Where.
        labels: The model's classes; a folder of one of these names is refused.
        known: sha256 of the pictures that the model was made with -> their split; they are refused.

    Raises:
        DataError: there are none, or some show a class.
    """
    place = folder.expanduser()
    if not place.is_dir():
        raise DataError(f"pictures of no class (--unknown) must be in a folder; there is no folder {folder}")
    place = place.resolve()
    places = [Place(path) for path in walk(place) if path.suffix.lower() in IMAGE_SUFFIXES]
    _refuse_class_folders(place, places, labels)
    looked = look_at(place, places)
    photos = tuple(Photo(one, _NO_CLASS, looked.digests[one]) for one in places if one in looked.digests)
    if not photos:
        raise DataError(f"pictures of no class (--unknown) must be there to be rejected, got none to read in {folder}")
    _refuse_known(place, photos, known)
    return UnknownPictures(place, photos, tuple(looked.named()))


def _refuse_class_folders(folder: Path, places: list[Place], labels: tuple[str, ...]) -> None:
    names = {part for place in places for part in place.path.parent.relative_to(folder).parts}
    if found := sorted(names & set(labels)):
        raise DataError(
            f"pictures of no class (--unknown) must show none of the model's, got a folder {found[0]!r} in {folder}; "
            "move it away, or rename it if its pictures show something else"
        )


def _refuse_known(folder: Path, photos: tuple[Photo, ...], known: Mapping[str, str]) -> None:
    ours = [photo for photo in photos if photo.sha256 in known]
    if ours:
        first = ours[0].place.name_below(folder)
        raise DataError(
            f"pictures of no class (--unknown) must not be those that the model was made with, got {len(ours)} of them "
            f"in {folder} (the first: {first}, in {known[ours[0].sha256]}); name another folder"
        )


def fit_energy(logits: _Logits, temperature: float, accepts: float) -> UnknownRule:
    """The bound that a new picture of the classes keeps with probability ``accepts`` or more.

    By split conformal prediction (V. Vovk et al., "Algorithmic Learning in a Random World", 2005): the energy of rank
    ``ceil((N + 1) * accepts)`` of N validation pictures, the highest where there are too few for it.

    Args:
        logits: ``float [N, C]``, N at least 1.
        temperature: The bundle's.
        accepts: Above 0, at most 1.
    """
    return UnknownRule(_bound(energy_of(logits, temperature), accepts, _BEYOND), accepts)


def _bound(values: _Numbers, accepts: float, beyond: float) -> float:
    ordered = np.sort(values)
    rank = min(len(ordered), math.ceil((len(ordered) + 1) * accepts - 1e-9))
    kept = float(ordered[rank - 1])
    above = ordered[ordered > kept]
    return number_between(kept, float(above[0]) if len(above) else kept + beyond)


@dataclass(frozen=True)
class Separation:
    """How well a score tells pictures of no class from those of the classes."""

    score: str
    auroc: float
    """How often a picture of no class scores as more unfamiliar than one of the classes, percent; 50 is chance."""
    rejected: float
    """Pictures of no class that are rejected by a bound fitted like that of the energy, percent."""


def separate(
    fitted: _Logits, known: _Logits, unknown: _Logits, temperature: float, accepts: float
) -> tuple[Separation, ...]:
    """The energy, and beside it the plainer scores it is to be better than: the largest logit and the softmax.

    Source of the softmax as a measure: D. Hendrycks and K. Gimpel, "A Baseline for Detecting Misclassified and
    Out-of-Distribution Examples in Neural Networks" (2017).

    Args:
        fitted: Logits of the validation pictures, on which each bound is fitted, ``float [N, C]``.
        known: Those of the pictures of the classes that are compared with, likewise.
        unknown: Those of pictures of no class, likewise.
        temperature: The bundle's.
        accepts: Share of pictures of the classes that each bound is to accept.
    """
    from sklearn.metrics import roc_auc_score

    is_unknown = np.repeat([False, True], [len(known), len(unknown)])
    found = []
    for name, score in _SCORES.items():
        values = [score(logits, temperature) for logits in (fitted, known, unknown)]
        auroc = 100 * float(roc_auc_score(is_unknown, np.concatenate(values[1:])))
        bound = _bound(values[0], accepts, _BEYOND)
        found.append(Separation(name, auroc, 100 * float((values[2] > bound).mean())))
    return tuple(found)


def _least_logit(logits: _Logits, temperature: float) -> _Numbers:
    least: _Numbers = -logits.max(axis=1).astype(np.float64)
    return least


def _unsureness(logits: _Logits, temperature: float) -> _Numbers:
    unsure: _Numbers = -log_softmax(logits / temperature).max(axis=1)
    return unsure


_SCORES: dict[str, Callable[[_Logits, float], _Numbers]] = {
    "energy": energy_of,
    "largest logit": _least_logit,
    "softmax": _unsureness,
}
"""Name -> ``(logits [N, C], temperature) -> float64 [N]``, high for what is unfamiliar."""
