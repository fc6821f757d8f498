"""What a person chooses a network by: how large and how fast each is, and whether its pretrained weights are here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hawklet_trainer.models.entry import ModelEntry, WeightsEntry
from hawklet_trainer.models.latency import HOW, KeptLatencies, conditions, measure
from hawklet_trainer.models.size import size_of
from hawklet_trainer.models.weights import is_here, sources_of

SCHEMA = "hawklet-models/1"


@dataclass(frozen=True)
class Weights:
    """A file of pretrained weights."""

    file: str
    sha256: str
    """The whole digest or its first digits, which are what a file is checked by."""
    sources: tuple[str, ...]
    """In the order in which they are asked."""
    here: bool
    """Whether the file is on this machine."""

    @classmethod
    def of(cls, entry: WeightsEntry) -> Weights:
        """What there is to say of an entry; nothing is fetched."""
        return cls(entry.file_name, entry.sha256, tuple(sources_of(entry)), is_here(entry))


@dataclass(frozen=True)
class ModelFacts:
    """One line of the table."""

    name: str
    side: int
    """Native input side, pixels."""
    parameters: int
    """With ImageNet's 1000 classes."""
    macs: int
    """Multiply-accumulate operations of one picture of the native side."""
    latency_ms: float | None
    """See :data:`hawklet_trainer.models.latency.HOW`; None: not measured yet."""
    stays_float: str
    """Operations that int8 files compute in float; empty: none that matters."""
    weights: Weights | None


def facts_of(entries: Iterable[ModelEntry], measuring: Callable[[str], None] | None = None) -> list[ModelFacts]:
    """Look networks up.

    Args:
        entries: Which.
        measuring: Where latency is to be measured anew, called with the name of each network that is about to be;
            None: it is taken from what was kept.
    """
    kept = KeptLatencies()
    return [_facts(entry, _latency(entry, kept, measuring)) for entry in entries]


def _latency(entry: ModelEntry, kept: KeptLatencies, measuring: Callable[[str], None] | None) -> float | None:
    if measuring is None:
        return kept.get(entry)
    measuring(entry.name)
    ms = measure(entry)
    with contextlib.suppress(OSError):  # it is measured again next time
        kept.keep(entry, ms)
    return ms


def _facts(entry: ModelEntry, latency_ms: float | None) -> ModelFacts:
    size = size_of(entry)
    weights = Weights.of(entry.weights) if entry.weights else None
    return ModelFacts(entry.name, entry.side, size.parameters, size.macs, latency_ms, entry.stays_float, weights)


def as_json(facts: Iterable[ModelFacts]) -> dict[str, Any]:
    """Plain JSON types, with the conditions of the latencies."""
    return {
        "schema": SCHEMA,
        "latency": {"how": HOW, "machine": conditions()},
        "models": [asdict(each) for each in facts],
    }
