"""The cheap part of a check: what is known after the one look at each picture that a training begins with anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from hawklet_trainer.data.checking.catalogue import Catalogue
from hawklet_trainer.data.checking.class_rules import ABSENT_FROM_SPLIT, DIVIDED_GROUPS, IMBALANCED, SMALL_CLASSES
from hawklet_trainer.data.checking.copies import find_copies
from hawklet_trainer.data.checking.copy_rules import (
    EQUAL_ACROSS_CLASSES,
    EQUAL_ACROSS_SPLITS,
    NEAR_ACROSS_CLASSES,
    NEAR_ACROSS_SPLITS,
)
from hawklet_trainer.data.checking.facts import Depth, digest_of
from hawklet_trainer.data.checking.finding import Evidence, Finding
from hawklet_trainer.data.checking.gather import Facts, gather
from hawklet_trainer.data.checking.picture_rules import EXIF_WRONG, WRONG_SUFFIX
from hawklet_trainer.data.checking.registry import judge
from hawklet_trainer.data.checking.similar import FEW_FORMS
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.photo_set import Photo
from hawklet_trainer.data.place import Place

_RULES = (
    WRONG_SUFFIX,
    EXIF_WRONG,
    EQUAL_ACROSS_CLASSES,
    NEAR_ACROSS_CLASSES,
    EQUAL_ACROSS_SPLITS,
    NEAR_ACROSS_SPLITS,
    SMALL_CLASSES,
    IMBALANCED,
    ABSENT_FROM_SPLIT,
    DIVIDED_GROUPS,
)
_NAMED = 10
"""Pictures left out that are named each."""


@dataclass(frozen=True)
class LookedAt:
    """Pictures that were looked at once."""

    folder: Path
    facts: Facts
    position_of: Mapping[Place, int]
    """Of each picture in the facts."""
    digests: dict[Place, str]
    """SHA-256 of the bytes of those that can be read and named."""
    left_out: Sequence[str]
    """One line for each of the others."""

    def named(self) -> list[str]:
        """What was left out, in a few lines."""
        more = len(self.left_out) - _NAMED
        return [*self.left_out[:_NAMED], *([f"left out {more} more that cannot be read"] if more > 0 else [])]

    def warnings(self, splits: Mapping[str, Sequence[Photo]], labels: Sequence[str]) -> list[str]:
        """What looks wrong with pictures in their splits, one line for each finding.

        Args:
            splits: ``train``, ``val`` and ``test`` -> pictures that were looked at.
            labels: Names of the classes.
        """
        photos = [(split, photo) for split, of_split in splits.items() for photo in of_split]
        rows = (IndexRow(photo.place, labels[photo.label_index], split) for split, photo in photos)
        catalogue = Catalogue.of(self.folder, labels, rows)
        positions = [self.position_of[photo.place] for _, photo in photos]
        facts = replace(self.facts, records=self.facts.records[positions], refused={})
        copies = find_copies(facts, FEW_FORMS)
        evidence = Evidence(catalogue, facts, copies, np.ones(len(catalogue), bool))
        return [_line(catalogue, finding) for finding in judge(evidence, _RULES)]


def look_at(folder: Path, places: Sequence[Place]) -> LookedAt:
    """Decode every picture once; ``folder`` is what their names begin at."""
    facts = gather(places, Depth.THUMB)
    digests, left_out = {}, []
    for position, place in enumerate(places):
        name = place.name_below(folder)
        if not name.isprintable():
            left_out.append(f"left out {name!a}: its name is not printable text")
        elif position in facts.refused:
            why = facts.refused[position].removeprefix(f"{PurePosixPath(name).name}: ")  # they begin with it too
            left_out.append(f"left out {name}: {why}")
        else:
            digests[place] = digest_of(facts.records, position)
    return LookedAt(folder, facts, {place: position for position, place in enumerate(places)}, digests, left_out)


def _line(catalogue: Catalogue, finding: Finding) -> str:
    some = finding.found.sets[0][:3] if finding.found.sets else finding.found.pictures[:1]
    examples = [f"{catalogue.name(position)} ({catalogue.split(position)})" for position in some]
    return finding.found.sentence + (f", such as {' and '.join(examples)}" if examples else "")
