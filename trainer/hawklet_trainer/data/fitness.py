"""Whether an index can be trained on, as far as its counts of pictures tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hawklet_trainer.data.listing import UNSPLIT
from hawklet_trainer.data.tally import Tally, escaped


def obstacle(tally: Tally) -> str | None:
    """What a training would refuse about the pictures of an index, and the way out; None where it would not.

    That they can be read is not said thereby. Pictures whose splits cannot be trained on are judged as those in none,
    since they must be split anew.
    """
    split, needed = _learned_from(tally)
    counts = {label: _count(of_split, split) for label, of_split in tally.counts.items()}
    labels = sorted(label for label, count in counts.items() if count)
    if len(labels) < 2:
        return f"a classifier needs at least two classes, got {len(labels)} ({', '.join(map(escaped, labels))})"
    if same := equal_but_case(labels):
        one, other = map(escaped, same)
        return f"class names must differ by more than case, got {one!r} and {other!r}; merge or rename"
    if unknown := sorted(set(counts) - set(labels)):
        return f"every class must be in train, got {escaped(unknown[0])!r} only in other splits; leave it out"
    few = [label for label in labels if counts[label] < needed]
    if few:
        return (
            f"every class needs at least {needed} pictures to be split, got {counts[few[0]]} of {escaped(few[0])!r}"
            f"{f' and too few of {len(few) - 1} more' if len(few) > 1 else ''}; add some, or leave it out"
        )
    return None


def equal_but_case(labels: Iterable[str]) -> tuple[str, str] | None:
    """The first two class names that are equal but for case."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(label.casefold(), label)
        if other != label:
            return other, label
    return None


def can_be_trained_on(splits: list[str]) -> bool:
    """Whether pictures in these splits are split as far as a training needs them to be, or not at all."""
    return splits == [UNSPLIT] or ("train" in splits and UNSPLIT not in splits)


def _learned_from(tally: Tally) -> tuple[str | None, int]:
    """The split that is learned from, None for all pictures, and how many each class needs there."""
    if "train" not in tally.splits or UNSPLIT in tally.splits:
        return None, 3
    return "train", 1 if "val" in tally.splits else 2


def _count(of_split: Counter[str], split: str | None) -> int:
    return of_split.total() if split is None else of_split[split]
