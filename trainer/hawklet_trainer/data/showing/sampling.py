"""Pictures that stand for many: evenly over the source's order, at random within it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from hawklet_trainer.data.index import IndexRow


@dataclass(frozen=True)
class Sample:
    """What was picked, in the source's order."""

    by_class: dict[str, list[IndexRow]]
    overall: list[IndexRow]
    """Of all classes together, each picture as likely as any other."""


def spread(count: int, wanted: int, seed: str) -> list[int]:
    """So many positions of 0 to ``count - 1``, ascending: one of each of ``wanted`` stretches of equal length.

    Pictures that were taken one after the other, and look alike, stand beside each other in most sources; so stretches
    show more of a source than chance alone.
    """
    if count <= wanted:
        return list(range(count))
    draw = random.Random(seed)
    edges = [count * number // wanted for number in range(wanted + 1)]
    return [draw.randrange(begin, end) for begin, end in pairwise(edges)]


def pick(rows: Iterable[IndexRow], counts: Mapping[str, int], per_class: int, overall: int, seed: int) -> Sample:
    """Sample a stream that was counted before.

    Args:
        rows: The same pictures again.
        counts: How many each class has.
        per_class: Most of each class. Which ones does not depend on what other classes there are.
        overall: Most of all of them.
        seed: Of what is left to chance.
    """
    of_class = {label: set(spread(count, per_class, f"{seed}/{label}")) for label, count in counts.items()}
    of_all = set(spread(sum(counts.values()), overall, str(seed)))
    passed: Counter[str] = Counter()
    sample = Sample({label: [] for label in sorted(counts)}, [])
    for number, row in enumerate(rows):
        if passed[row.label] in of_class.get(row.label, ()):
            sample.by_class[row.label].append(row)
        if number in of_all:
            sample.overall.append(row)
        passed[row.label] += 1
    return sample
