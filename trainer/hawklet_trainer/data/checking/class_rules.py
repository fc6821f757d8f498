"""Findings about classes and splits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from hawklet_trainer.data.checking.catalogue import Catalogue
from hawklet_trainer.data.checking.facts import digest_of
from hawklet_trainer.data.checking.finding import Evidence, Found, Rule, Severity
from hawklet_trainer.data.listing import EACH_INTO_ITS_FOLDER, UNSPLIT, holds_pictures
from hawklet_trainer.data.tally import escaped

SMALL_CLASS, SMALL_CLASS_UNSPLIT = 6, 10
"""Pictures that a class should have to be trained on; and before they are split, of which 6 are trained on."""
IMBALANCE = 10.0
"""How many times the pictures of the smallest class the largest may have."""
_NAMED = 5


def _layout(evidence: Evidence) -> Found | None:
    return Found(evidence.catalogue.refusal) if evidence.catalogue.refusal else None


def _no_pictures(evidence: Evidence) -> Found | None:
    if len(evidence.catalogue):
        return None
    loose = holds_pictures(evidence.catalogue.folder)
    return Found("there are no pictures, in any class" + ("; " + EACH_INTO_ITS_FOLDER if loose else ""))


def _one_class(evidence: Evidence) -> Found | None:
    learned = _learned_labels(evidence.catalogue)
    if len(learned) > 1 or not len(evidence.catalogue):
        return None
    return Found(f"a classifier needs at least two classes, got {len(learned)}{_in_brackets(learned)}")


def _learned_labels(catalogue: Catalogue) -> list[str]:
    """Classes to train on; of folders those without pictures count as well."""
    if catalogue.learned < 0:
        return []
    counts = catalogue.counts()
    elsewhere = counts.sum(axis=1) > counts[:, catalogue.learned]
    return [
        label
        for number, label in enumerate(catalogue.labels)
        if counts[number, catalogue.learned] or not elsewhere[number]
    ]


def _empty_classes(evidence: Evidence) -> Found | None:
    catalogue = evidence.catalogue
    readable = catalogue.counts(evidence.readable).sum(axis=1)
    empty = [label for label, count in zip(catalogue.labels, readable, strict=True) if not count]
    if not empty or not len(catalogue):
        return None
    return Found(f"{_classes(empty)} no picture that can be read: {_named(empty)}", classes=len(empty))


def _untrained_classes(evidence: Evidence) -> Found | None:
    catalogue = evidence.catalogue
    unknown = sorted(set(catalogue.labels) - set(_learned_labels(catalogue)))
    if not unknown or catalogue.learned < 0:
        return None
    pictures = np.flatnonzero(np.isin(catalogue.label_of, [catalogue.labels.index(label) for label in unknown]))
    sentence = f"{_classes(unknown)} pictures, but none in train: {_named(unknown)}"
    return Found(sentence, pictures.tolist(), classes=len(unknown))


def _scarce_classes(evidence: Evidence) -> Found | None:
    """Classes that cannot be in each split that training needs or makes."""
    catalogue = evidence.catalogue
    needed = 3 if UNSPLIT in catalogue.splits else 1 if "val" in catalogue.splits else 2
    different: dict[int, set[str]] = defaultdict(set)
    for position in np.flatnonzero(evidence.readable & (catalogue.split_of == catalogue.learned)).tolist():
        digests = different[int(catalogue.label_of[position])]
        if len(digests) < needed:
            digests.add(digest_of(evidence.facts.records, position))
    scarce = [catalogue.labels[number] for number, digests in sorted(different.items()) if len(digests) < needed]
    if not scarce:
        return None
    sentence = f"{_classes(scarce)} fewer than {needed} different pictures to be split: {_named(scarce)}"
    return Found(sentence, classes=len(scarce))


def _small_classes(evidence: Evidence) -> Found | None:
    catalogue = evidence.catalogue
    if catalogue.learned < 0:
        return None
    counts = catalogue.counts(evidence.readable)[:, catalogue.learned]
    unsplit = catalogue.splits[catalogue.learned] == UNSPLIT
    least = SMALL_CLASS_UNSPLIT if unsplit else SMALL_CLASS
    small = sorted(
        (int(count), label) for label, count in zip(catalogue.labels, counts, strict=True) if 0 < count < least
    )
    if not small:
        return None
    names = _listed([f"{escaped(label)!r} ({count})" for count, label in small])
    what = f"fewer than {least} pictures{'' if unsplit else ' to train on'}"
    return Found(f"{_classes(small)} {what}: {names}", classes=len(small))


def _imbalance(evidence: Evidence) -> Found | None:
    catalogue = evidence.catalogue
    if catalogue.learned < 0:
        return None
    counts = catalogue.counts(evidence.readable)[:, catalogue.learned]
    filled = np.flatnonzero(counts)
    if len(filled) < 2:
        return None
    least, most = filled[counts[filled].argmin()], filled[counts[filled].argmax()]
    if counts[most] <= IMBALANCE * counts[least]:
        return None
    names = [f"{escaped(catalogue.labels[i])!r} ({counts[i]})" for i in (most, least)]
    return Found(
        f"the largest class has {counts[most] / counts[least]:.0f} times the pictures of the smallest, more than "
        f"{IMBALANCE:g}: {' and '.join(names)}"
    )


def _equal_but_case(evidence: Evidence) -> Found | None:
    alike = _alike(evidence.catalogue.labels, str.casefold)
    if not alike:
        return None
    return Found(f"class names must differ by more than case, got {_listed(_pairs(alike))}", classes=len(alike))


def _equal_but_spaces(evidence: Evidence) -> Found | None:
    cased = [names for names in _alike(evidence.catalogue.labels, _letters) if len({n.casefold() for n in names}) > 1]
    if not cased:
        return None
    sentence = f"class names that differ by spaces, underscores, hyphens or case alone: {_listed(_pairs(cased))}"
    return Found(sentence, classes=len(cased))


def _letters(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name.casefold())


def _alike(labels: Sequence[str], key: Callable[[str], str]) -> list[list[str]]:
    by_key: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        by_key[key(label)].append(label)
    return [names for names in by_key.values() if len(names) > 1]


def _pairs(alike: Sequence[Sequence[str]]) -> list[str]:
    return [" and ".join(repr(escaped(name)) for name in names) for names in alike]


def _unprintable(evidence: Evidence) -> Found | None:
    catalogue = evidence.catalogue
    labels = [label for label in catalogue.labels if not label.isprintable()]
    pictures = [i for i, place in enumerate(catalogue.places) if not str(place.path.name).isprintable()]
    if not labels and not pictures:
        return None
    of_classes = f"class names: {_named(labels)}" if labels else ""
    of_pictures = f"{len(pictures)} picture name{'s' if len(pictures) != 1 else ''}" if pictures else ""
    sentence = f"not printable text: {'; '.join(filter(None, (of_classes, of_pictures)))}"
    return Found(sentence, pictures, classes=len(labels) + len(pictures))


def _absent_from_split(evidence: Evidence) -> Found | None:
    catalogue = evidence.catalogue
    counts = catalogue.counts(evidence.readable)
    known = counts[:, catalogue.learned] > 0 if catalogue.learned >= 0 else counts.any(axis=1)
    lines, classes = [], 0
    for number, split in enumerate(catalogue.splits):
        absent = [catalogue.labels[i] for i in np.flatnonzero(known & (counts[:, number] == 0))]
        if absent and number != catalogue.learned and counts[:, number].any():
            lines.append(f"{split} has no picture of {_named(absent)}")
            classes += len(absent)
    return Found("; ".join(lines), classes=classes) if lines else None


def _divided_groups(evidence: Evidence) -> Found | None:
    catalogue = evidence.catalogue
    members: dict[str, list[int]] = defaultdict(list)
    for position, place in enumerate(catalogue.places):
        if place.group:
            members[place.group].append(position)
    divided = [found for found in members.values() if len(set(catalogue.split_of[found].tolist())) > 1]
    if not divided:
        return None
    return Found(
        f"{len(divided)} of {len(members)} groups are in several splits, which flatters the accuracy", sets=divided
    )


def _classes(names: Sequence[object]) -> str:
    return "1 class has" if len(names) == 1 else f"{len(names)} classes have"


def _in_brackets(names: Sequence[str]) -> str:
    return f" ({_named(names)})" if names else ""


def _named(names: Sequence[str]) -> str:
    return _listed([repr(escaped(name)) for name in names])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


LAYOUT = Rule("layout", "Index that training refuses", Severity.ERROR, _layout)
NO_PICTURES = Rule("no_pictures", "No pictures", Severity.ERROR, _no_pictures)
ONE_CLASS = Rule("one_class", "Too few classes", Severity.ERROR, _one_class)
EMPTY_CLASSES = Rule("empty_classes", "Classes without pictures", Severity.ERROR, _empty_classes)
UNTRAINED_CLASSES = Rule("untrained_classes", "Classes that train lacks", Severity.ERROR, _untrained_classes)
SCARCE_CLASSES = Rule("scarce_classes", "Classes too small to be split", Severity.ERROR, _scarce_classes)
EQUAL_BUT_CASE = Rule("equal_but_case", "Class names equal but for case", Severity.ERROR, _equal_but_case)
UNPRINTABLE = Rule("unprintable_names", "Names that cannot be printed", Severity.ERROR, _unprintable)
EQUAL_BUT_SPACES = Rule("equal_but_spaces", "Class names nearly equal", Severity.WARNING, _equal_but_spaces)
SMALL_CLASSES = Rule("small_classes", "Small classes", Severity.WARNING, _small_classes)
IMBALANCED = Rule("imbalance", "Imbalance", Severity.WARNING, _imbalance)
ABSENT_FROM_SPLIT = Rule("absent_from_split", "Classes missing in a split", Severity.WARNING, _absent_from_split)
DIVIDED_GROUPS = Rule("divided_groups", "Groups in several splits", Severity.WARNING, _divided_groups)
CLASS_RULES = (
    LAYOUT,
    NO_PICTURES,
    ONE_CLASS,
    EMPTY_CLASSES,
    UNTRAINED_CLASSES,
    SCARCE_CLASSES,
    EQUAL_BUT_CASE,
    UNPRINTABLE,
    EQUAL_BUT_SPACES,
    SMALL_CLASSES,
    IMBALANCED,
    ABSENT_FROM_SPLIT,
    DIVIDED_GROUPS,
)
