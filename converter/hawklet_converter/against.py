"""What a conversion of a pruned run is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from hawklet_converter.candidate import Candidate
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.request import Row

Conclude = Callable[[Mapping[str, bytes], tuple[Row, ...], Sequence[Candidate], LatencySource], Mapping[str, Any]]
"""Files by variant, their rows, what else was tried, and where files are timed -> what provenance says of the pruning;
may refuse."""


@dataclass(frozen=True)
class Against:
    """The unpruned network of a pruned run, and who has the last word before a bundle is written."""

    top1: float
    """Of the unpruned float network on the validation pictures, percent."""
    teacher: nn.Module
    conclude: Conclude
