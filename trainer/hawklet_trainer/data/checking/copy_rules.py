"""Findings about copies: equal files, near duplicates, and mirrored or turned ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data.checking.copies import Sets
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Evidence, Found, Rule, Severity

_ONE_IS_WRONG = "in several classes, of which one is wrong"
_FLATTERS = "in several splits, which flatters the accuracy"
_EQUAL, _NEAR, _TURNED = "equal files", "near duplicates", "copies that are mirrored or turned"


def _spanning(sets: Sets, values: npt.NDArray[Any]) -> list[list[int]]:
    """Sets in which ``values`` are not all the same."""
    return [members.tolist() for members in sets if len(np.unique(values[members])) > 1]


def _within(sets: Sets, evidence: Evidence) -> list[list[int]]:
    """Sets within one class and one split."""
    catalogue = evidence.catalogue
    both = catalogue.label_of.astype(np.int64) * len(catalogue.splits) + catalogue.split_of
    return [members.tolist() for members in sets if len(np.unique(both[members])) == 1]


def _told(sets: list[list[int]], of_what: str, where: str) -> Found | None:
    if not sets:
        return None
    pictures = sum(map(len, sets))
    return Found(f"{len(sets)} set{'s' if len(sets) > 1 else ''} of {of_what} ({pictures} pictures) {where}", sets=sets)


def _equal_across_classes(evidence: Evidence) -> Found | None:
    return _told(_spanning(evidence.copies.equal, evidence.catalogue.label_of), _EQUAL, _ONE_IS_WRONG)


def _near_across_classes(evidence: Evidence) -> Found | None:
    return _told(_spanning(evidence.copies.near, evidence.catalogue.label_of), _NEAR, _ONE_IS_WRONG)


def _equal_across_splits(evidence: Evidence) -> Found | None:
    return _told(_spanning(evidence.copies.equal, evidence.catalogue.split_of), _EQUAL, _FLATTERS)


def _near_across_splits(evidence: Evidence) -> Found | None:
    return _told(_spanning(evidence.copies.near, evidence.catalogue.split_of), _NEAR, _FLATTERS)


def _turned_across_splits(evidence: Evidence) -> Found | None:
    return _told(_spanning(evidence.copies.turned, evidence.catalogue.split_of), _TURNED, _FLATTERS)


def _equal_within(evidence: Evidence) -> Found | None:
    return _told(_within(evidence.copies.equal, evidence), _EQUAL, "within a class and split")


def _near_within(evidence: Evidence) -> Found | None:
    return _told(_within(evidence.copies.near, evidence), _NEAR, "within a class and split")


def _turned_within(evidence: Evidence) -> Found | None:
    return _told(_within(evidence.copies.turned, evidence), _TURNED, "within a class and split")


EQUAL_ACROSS_CLASSES = Rule(
    "equal_across_classes", "Equal files in several classes", Severity.WARNING, _equal_across_classes
)
EQUAL_ACROSS_SPLITS = Rule(
    "equal_across_splits", "Equal files in several splits", Severity.WARNING, _equal_across_splits
)
NEAR_ACROSS_CLASSES = Rule(
    "near_across_classes", "Near duplicates in several classes", Severity.WARNING, _near_across_classes, Depth.THUMB
)
NEAR_ACROSS_SPLITS = Rule(
    "near_across_splits", "Near duplicates in several splits", Severity.WARNING, _near_across_splits, Depth.THUMB
)
TURNED_ACROSS_SPLITS = Rule(
    "turned_across_splits",
    "Mirrored or turned copies in several splits",
    Severity.WARNING,
    _turned_across_splits,
    Depth.THUMB,
)
EQUAL_WITHIN = Rule("equal_within", "Equal files in one class", Severity.NOTE, _equal_within)
NEAR_WITHIN = Rule("near_within", "Near duplicates in one class", Severity.NOTE, _near_within, Depth.THUMB)
TURNED_WITHIN = Rule("turned_within", "Mirrored or turned copies", Severity.NOTE, _turned_within, Depth.THUMB)
COPY_RULES = (
    EQUAL_ACROSS_CLASSES,
    NEAR_ACROSS_CLASSES,
    EQUAL_ACROSS_SPLITS,
    NEAR_ACROSS_SPLITS,
    TURNED_ACROSS_SPLITS,
    EQUAL_WITHIN,
    NEAR_WITHIN,
    TURNED_WITHIN,
)
