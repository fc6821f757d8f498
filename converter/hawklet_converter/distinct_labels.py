"""Labels that occur twice, as ImageNet's crane, told apart: a bundle's are all different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def distinct_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels, those that occur more than once followed by their output's number, from 0."""
    counts = Counter(labels)
    return tuple(f"{label} ({number})" if counts[label] > 1 else label for number, label in enumerate(labels))
