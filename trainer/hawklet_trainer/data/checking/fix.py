"""A cleaned index of checked photos: what is left of them, and what was left out and why. The photos stay."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hawklet.errors import DataError, UsageError
from hawklet.safefiles import require_writable, write_bytes
from hawklet_trainer.data.checking.catalogue import Catalogue
from hawklet_trainer.data.checking.check import Checked
from hawklet_trainer.data.checking.class_rules import UNTRAINED_CLASSES
from hawklet_trainer.data.checking.copies import Sets
from hawklet_trainer.data.checking.finding import Evidence
from hawklet_trainer.data.checking.registration import same_picture
from hawklet_trainer.data.checking.similar import FEW_FORMS
from hawklet_trainer.data.index import INDEX, IndexRow, require_outside, write_index
from hawklet_trainer.data.table import line_writer
from hawklet_trainer.data.tally import Tally, escaped

REMOVED = "removed.csv"
_KEPT_FIRST = ("test", "val")
"""Of copies that in test is kept, then that in val: what is measured on stays whole, and training loses its copy."""


@dataclass(frozen=True)
class Fixed:
    """What was written."""

    index: Path
    removed: Path
    kept: int
    reasons: Counter[str]
    """Pictures left out, by reason."""
    tally: Tally
    """Of the others."""
    emptied: tuple[str, ...]
    """Classes that had pictures to learn and have none any more."""

    def lines(self) -> list[str]:
        """What was done."""
        why = [f"left out {count}: {reason}" for reason, count in self.reasons.most_common()]
        names = ", ".join(map(escaped, self.emptied))
        return [
            *why,
            *([f"nothing is left to learn of {names}: see {self.removed}, and give it pictures"] if names else []),
            f"index of the {self.kept} others: {self.index}; what is not in it: {self.removed}",
        ]


def require_new(destination: Path) -> tuple[Path, Path]:
    """Where the index and the list of what was left out go.

    Args:
        destination: A folder, or a ``.csv`` file.

    Raises:
        DataError: one of them is there already.
    """
    if destination.suffix.lower() == ".csv":
        index, removed = destination, destination.with_suffix(f".{REMOVED}")
    else:
        index, removed = destination / INDEX, destination / REMOVED
    for path in (index, removed):
        if path.exists():
            raise DataError(f"--fix writes a new index, but {path} is there already; name another")
    return index, removed


def require_fixable(
    source: Path, destination: Path | None, *, fix_labels: bool, labels: bool | None, quick: bool
) -> None:
    """Refuse options that do not go together, before anything long begins.

    Raises:
        UsageError: they do not.
        DataError: see :func:`require_new`; or the index would lie among the photos.
        OSError: nothing can be written there.
    """
    if fix_labels and destination is None:
        raise UsageError("--fix-labels says what --fix leaves out; name a new index with --fix NEW as well")
    if fix_labels and (labels is False or (quick and not labels)):
        other = "--no-labels" if labels is False else "--quick"
        raise UsageError(f"--fix-labels leaves out what looking at labels finds, got {other} with it; drop one of them")
    if destination is None:
        return
    index, removed = require_new(destination)
    require_outside(source, index, "--fix")
    for path in (index, removed):
        require_writable(path)


def write_fixed(checked: Checked, destination: Path, *, labels: bool = False) -> Fixed:
    """Write an index without what should not be trained on, and beside it a list of that.

    Args:
        checked: The check.
        destination: See :func:`require_new`.
        labels: Leave out pictures whose label is probably wrong, too.

    Raises:
        DataError: a file is there already, or nothing would be left.
    """
    index, removed = require_new(destination)
    reasons = _reasons(checked, labels)
    catalogue = checked.evidence.catalogue
    kept = [position for position in range(len(catalogue)) if position not in reasons]
    if not kept:
        raise DataError(f"a cleaned index must name pictures, but none of {checked.source} would be left")
    write_bytes(removed, _removed_csv(catalogue, reasons))
    tally = Tally()
    write_index(index, tally.counted(_rows(catalogue, kept)))
    return Fixed(index, removed, len(kept), Counter(reasons.values()), tally, _emptied(catalogue, reasons))


def _emptied(catalogue: Catalogue, reasons: Collection[int]) -> tuple[str, ...]:
    mask = np.ones(len(catalogue), bool)
    mask[list(reasons)] = False
    before, after = (catalogue.counts(chosen)[:, catalogue.learned] for chosen in (None, mask))
    return tuple(catalogue.labels[index] for index in np.flatnonzero((before > 0) & (after == 0)))


def _rows(catalogue: Catalogue, kept: Iterable[int]) -> Iterator[IndexRow]:
    for position in kept:
        label = catalogue.labels[catalogue.label_of[position]]
        yield IndexRow(catalogue.places[position], label, catalogue.split(position))


def _removed_csv(catalogue: Catalogue, reasons: dict[int, str]) -> bytes:
    text = io.StringIO()
    write = line_writer(text)
    write(("path", "label", "split", "reason"))
    for position in sorted(reasons):
        write((catalogue.name(position), catalogue.label(position), catalogue.split(position), reasons[position]))
    return text.getvalue().encode()


def _reasons(checked: Checked, labels: bool) -> dict[int, str]:
    """Position -> why it is left out."""
    evidence = checked.evidence
    catalogue, copies = evidence.catalogue, evidence.copies
    reasons: dict[int, str] = {}

    def leave_out(positions: Iterable[int], reason: str) -> None:
        for position in positions:
            reasons.setdefault(position, reason)

    leave_out(evidence.facts.refused, "cannot be read")
    leave_out(
        (i for i, place in enumerate(catalogue.places) if not place.path.name.isprintable()),
        "its name is not printable text",
    )
    untrained = UNTRAINED_CLASSES.judge(evidence)
    leave_out(untrained.pictures if untrained else (), "its class is not in train")
    for members in copies.equal:
        if len(np.unique(catalogue.label_of[members])) > 1:
            leave_out(members.tolist(), "the same picture is in several classes")
    for members in copies.near:
        leave_out(_like_another_class(evidence, members.tolist()), "the same picture is in several classes")
    if labels and evidence.labels:
        leave_out((suspect.position for suspect in evidence.labels.suspects), "its label is probably wrong")
    _leave_copies_out(evidence, reasons, leave_out)
    return reasons


def _like_another_class(evidence: Evidence, members: Sequence[int]) -> list[int]:
    """Members that are near duplicates of one of another class; not of one that is so of another, as in a film."""
    classes = evidence.catalogue.label_of
    return [
        member
        for member in members
        if (others := [other for other in members if classes[other] != classes[member]])
        and any(_same_as(evidence, member, others))
    ]


def _leave_copies_out(
    evidence: Evidence, reasons: dict[int, str], leave_out: Callable[[Iterable[int], str], None]
) -> None:
    catalogue, copies = evidence.catalogue, evidence.copies

    def left(sets: Sets) -> Iterator[list[int]]:
        for members in sets:
            still = [position for position in members.tolist() if position not in reasons]
            yield sorted(still, key=lambda position: _preference(evidence, position))

    for members in left(copies.equal):
        leave_out(members[1:], "equal to one that is kept")
    for members in left(copies.near):
        leave_out(_copies_of_kept(evidence, members), "a near duplicate of one that is kept")
    for members in left(copies.turned):
        splits, classes = (
            {int(of[position]) for position in members} for of in (catalogue.split_of, catalogue.label_of)
        )
        if len(splits) > 1 and len(classes) == 1:
            kept_split = catalogue.split_of[members[0]]
            others = [position for position in members if catalogue.split_of[position] != kept_split]
            leave_out(others, "a mirrored or turned copy is in another split")


def _preference(evidence: Evidence, position: int) -> tuple[int, int, int]:
    """What is kept of copies has the least: by split, then the largest, then the first."""
    split = evidence.catalogue.split(position)
    rank = _KEPT_FIRST.index(split) if split in _KEPT_FIRST else len(_KEPT_FIRST)
    record = evidence.facts.records[position]
    return rank, -int(record["height"]) * int(record["width"]), position


def _copies_of_kept(evidence: Evidence, members: Sequence[int]) -> list[int]:
    """Members that are near duplicates of a better one which is kept.

    A set hangs together by pairs, and its ends may differ: the frames of a film. So each is compared with what is kept.
    """
    copies: list[int] = []
    waiting = list(members)
    while waiting:
        kept, others = waiting[0], waiting[1:]
        same = _same_as(evidence, kept, others)
        copies += [other for other, is_same in zip(others, same, strict=True) if is_same]
        waiting = [other for other, is_same in zip(others, same, strict=True) if not is_same]
    return copies


def _same_as(evidence: Evidence, kept: int, others: Sequence[int]) -> list[bool]:
    thumbs = evidence.facts.records["thumb"]
    first = np.broadcast_to(thumbs[kept], (len(others), *thumbs[kept].shape)).astype(np.float32)
    second = thumbs[np.array(others, np.int64)].astype(np.float32)
    same = np.zeros(len(others), bool)
    for form in FEW_FORMS:  # where registration ends depends on where it begins
        left = np.flatnonzero(~same)
        same[left] = same_picture(first[left], second[left], np.tile(form.alignment(), (len(left), 1)))
    answer: list[bool] = same.tolist()
    return answer
