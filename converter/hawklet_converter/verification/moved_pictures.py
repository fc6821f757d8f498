"""The pictures on which files move furthest from the reference: what quantization does, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hawklet_converter.verification.statistics import Labels, Logs, movement

SHOWN = 18
_LEAST = 0.0005
"""Movements that would be shown as 0.0 % are left out."""


@dataclass(frozen=True)
class Answer:
    """What one model says of one picture."""

    label: str
    score: float
    """Calibrated probability, 0..1."""
    moved: float
    """Probability that changed its class, against the reference, 0..1."""


@dataclass(frozen=True)
class Moved:
    """One picture."""

    position: int
    """Among the pictures verified on."""
    picture: str
    """Path from their folder on."""
    truth: str
    reference: Answer
    variants: Mapping[str, Answer]
    """By the variant's name."""

    @property
    def furthest(self) -> float:
        """The largest movement of any variant."""
        return max(answer.moved for answer in self.variants.values())


def most_moved(
    reference: Logs, variants: Mapping[str, Logs], truth: Labels, labels: Sequence[str], names: Sequence[str]
) -> tuple[Moved, ...]:
    """Rank pictures by the furthest that any variant moved.

    Args:
        reference: Logarithms of its probabilities, ``float64 [N, classes]``.
        variants: The same, by variant; at least one.
        truth: ``int64 [N]``.
        labels: Class names.
        names: Paths of the N pictures.

    Returns:
        At most :data:`SHOWN`, those that moved most first.
    """
    moves = {name: movement(reference, logs) for name, logs in variants.items()}
    furthest = np.max(list(moves.values()), axis=0)
    order = [int(i) for i in np.argsort(-furthest, kind="stable")[:SHOWN] if furthest[i] >= _LEAST]

    def answer(logs: Logs, index: int, moved: float) -> Answer:
        best = int(logs[index].argmax())
        return Answer(labels[best], float(np.exp(logs[index, best])), moved)

    return tuple(
        Moved(
            position=index,
            picture=names[index],
            truth=labels[truth[index]],
            reference=answer(reference, index, 0.0),
            variants={name: answer(logs, index, float(moves[name][index])) for name, logs in variants.items()},
        )
        for index in order
    )
