"""One finished attempt of the search, measured on the files it led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hawklet.spec import ModelFormat, Precision
from hawklet_converter.plan import QuantPlan


@dataclass(frozen=True)
class Candidate:
    """The files of one attempt, and how they do."""

    recipe: str
    method: str
    """The attempt's steps in words."""
    precision: Precision
    files: Mapping[ModelFormat, bytes]
    plan: QuantPlan | None
    """None where nothing was planned: float16, int8-dynamic."""
    top1: Mapping[ModelFormat, float]
    """On the validation pictures, percent."""
    agreement: Mapping[ModelFormat, float]
    """Share of validation pictures with the float file's answer, percent."""
    divergence: Mapping[ModelFormat, float]
    """Kullback-Leibler, nats."""
    ms: Mapping[ModelFormat, float]
    """CPU time of one inference, milliseconds, where it was measured."""
    float_ms: Mapping[ModelFormat, float]
    """The same of the float32 file, measured in turns with it."""
    float_layers: tuple[str, ...]
    """Module paths of the layers left in float by choice."""
    float_macs_share: float
    seconds: float
    """Making and measuring it."""
    finished: bool = True
    """False: the time ended before its training did, so that a resumed search makes it again."""

    def drop(self, before: float) -> float:
        """Points of top-1 that the worse of the files loses against ``before`` percent."""
        return before - min(self.top1.values())

    def to_row(self, before: float) -> dict[str, Any]:
        """The row of the search's table: plain JSON types, without the files and the plan."""
        data = asdict(self)
        del data["files"], data["plan"], data["finished"]
        data = {key: _plain(value) for key, value in data.items()}
        sizes = {model_format.value: len(content) for model_format, content in self.files.items()}
        return {**data, "bytes": sizes, "drop": round(self.drop(before), 4)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.value: number for key, number in value.items()}
    if isinstance(value, Precision):
        return value.value
    return list(value) if isinstance(value, tuple) else value
