"""The words that findings are told in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data.checking.catalogue import Catalogue
from hawklet_trainer.data.checking.copies import Copies
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.gather import Facts
from hawklet_trainer.data.checking.label_errors import Judgement


class Severity(Enum):
    """How bad a finding is; the worst first."""

    ERROR = "error"
    """It cannot be trained on."""
    WARNING = "warning"
    """It probably does harm."""
    NOTE = "note"
    """It is worth knowing."""


@dataclass(frozen=True)
class Evidence:
    """What rules judge by."""

    catalogue: Catalogue
    facts: Facts
    copies: Copies
    readable: npt.NDArray[np.bool_]
    """``bool [N]``."""
    labels: Judgement | None = None
    """None: labels were not judged."""


@dataclass(frozen=True)
class Found:
    """What a rule found."""

    sentence: str
    """With the threshold, where there is one; begins in lower case and has no full stop."""
    pictures: Sequence[int] = ()
    """Positions; the worst first, where that can be said."""
    sets: Sequence[Sequence[int]] = ()
    """Positions that belong together, where it is about such."""
    details: Mapping[int, str] = field(default_factory=dict)
    """More about a picture, by its position."""
    classes: int = 0
    """How many classes (or names of some) it is about, where it is about such."""


@dataclass(frozen=True)
class Rule:
    """One thing that is looked for."""

    name: str
    """As in the JSON: lower case, words joined by underscores."""
    title: str
    """As on the page and in the table."""
    severity: Severity
    judge: Callable[[Evidence], Found | None]
    depth: Depth = Depth.HEADER
    """How closely pictures must have been looked at."""


@dataclass(frozen=True)
class Finding:
    """What was found, and by which rule."""

    rule: Rule
    found: Found

    @property
    def count(self) -> int:
        """Sets, or classes, or pictures, or the one thing that it is about."""
        return len(self.found.sets) or self.found.classes or len(self.found.pictures) or 1

    def concerned(self) -> list[int]:
        """Every picture that it is about, in the order they are shown."""
        in_sets = [position for members in self.found.sets for position in members]
        return in_sets or list(self.found.pictures)
