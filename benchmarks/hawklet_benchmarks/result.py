"""A benchmark result: immutable, with every sample and its conditions. Schema ``hawklet-benchmark/1``.

The JSON Schema is ``schemas/benchmark-1.schema.json`` beside this module.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hawklet import safefiles
from hawklet.errors import ResultError
from hawklet_benchmarks.conditions import Machine, Moment
from hawklet_benchmarks.plain import record_from
from hawklet_benchmarks.worker import INVOKE, STAGES

SCHEMA = "hawklet-benchmark/1"

FRAME = "frame"
"""preprocess + infer + postprocess: a picture in memory -> the answer. The number that a live loop feels."""
METRICS = (FRAME, *STAGES, INVOKE)
"""What was sampled in every round, and the sum ``frame``."""
CLOCKS = ("wall", "cpu")
"""``wall``: what passed on the clock; ``cpu``: what the process's threads were busy."""

_FRAME_STAGES = ("preprocess", "infer", "postprocess")
_MAX_BYTES = 200_000_000
_MAX_MS = 1e9


@dataclass(frozen=True)
class Model:
    """Which model was measured."""

    name: str
    file: str
    """File name, without its folder."""
    sha256: str
    """Of the model file itself (of a bundle: of the variant's file)."""
    bytes: int
    """Size of the model file."""
    format: str
    variant: str | None
    """None: a bare model."""
    precision: str | None
    """None: a bare model, whose precision nobody states."""
    accuracy: float | None
    """Top-1 on the held-out split, percent, as measured on this file when the bundle was made; None: not known."""
    float_ops: tuple[str, ...]
    """Operations that compute in float although ``precision`` is int8."""
    input_dtype: str
    input_shape: tuple[int, ...]
    """Height, width, channels."""
    classes: int
    fit: str
    interpolation: str


@dataclass(frozen=True)
class Executed:
    """What executed the model."""

    runtime: str
    """Library and version."""
    accelerator: str
    """What the runtime says computes the graph, as ``XNNPACK (CPU)``."""
    threads: int


@dataclass(frozen=True)
class Picture:
    """What was classified."""

    source: str
    """``generated``, or a file name without its folder."""
    width: int
    height: int
    bytes: int
    """Size of the encoded picture."""
    sha256: str


@dataclass(frozen=True)
class Start:
    """How long a fresh process takes to its first answer, milliseconds of wall time. Files were in the page cache."""

    interpreter_ms: float
    """From the process's start to its first line of Python."""
    import_ms: float
    """hawklet, numpy, Pillow and the engine's library."""
    load_ms: float
    """Opening the model."""
    first_ms: float
    """The first classification of a picture in memory."""
    cpu_ms: float
    """CPU time of all of these together."""

    @property
    def total_ms(self) -> float:
        """From the process's start to its first answer."""
        return self.interpreter_ms + self.import_ms + self.load_ms + self.first_ms


@dataclass(frozen=True)
class Warmup:
    """What was thrown away before sampling."""

    rounds: int
    seconds: float
    steady: bool
    """False: the times had not come to rest when the time for it was over."""


@dataclass(frozen=True)
class Run:
    """What one fresh process measured."""

    start: Start
    peak_rss_mb: float
    """Largest resident memory up to the first answer, MiB."""
    warmup: Warmup
    wall_ms: Mapping[str, tuple[float, ...]]
    """Stage -> milliseconds of wall time, one entry a round."""
    cpu_ms: Mapping[str, tuple[float, ...]]
    """Stage -> milliseconds of CPU time of all threads, one entry a round."""


@dataclass(frozen=True)
class Result:
    """One measurement of one model on one machine."""

    schema: str
    created: str
    """UTC, ISO 8601."""
    hawklet_version: str
    model: Model
    engine: Executed
    picture: Picture
    machine: Machine
    before: Moment
    after: Moment
    runs: tuple[Run, ...]
    warnings: tuple[str, ...]
    """What makes the numbers less trustworthy, each with what to do about it."""

    def samples(self, metric: str = FRAME, clock: str = "wall") -> tuple[tuple[float, ...], ...]:
        """Milliseconds, one tuple per process, in order of time.

        Raises:
            ResultError: this metric was not measured.
        """
        per_run = [run.wall_ms if clock == "wall" else run.cpu_ms for run in self.runs]
        if metric == FRAME:
            return tuple(
                tuple(sum(values) for values in zip(*(times[stage] for stage in _FRAME_STAGES), strict=True))
                for times in per_run
            )
        if any(metric not in times for times in per_run):
            raise ResultError(f"metric {metric} was not measured; this result has {', '.join(self.metrics)}")
        return tuple(times[metric] for times in per_run)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Which of :data:`METRICS` every process measured."""
        return tuple(m for m in METRICS if m == FRAME or all(m in run.wall_ms for run in self.runs))

    @property
    def rounds(self) -> int:
        """Rounds of all processes together."""
        return sum(len(run.wall_ms[STAGES[0]]) for run in self.runs)

    @property
    def frames_per_second(self) -> float:
        """Pictures in memory classified one after the other, per second of wall time."""
        times = [time for run in self.samples(FRAME) for time in run]
        return 1000 * len(times) / sum(times)

    @property
    def throttled(self) -> tuple[str, ...]:
        """What held the board back before, during or after the measurement."""
        before, after = self.before.throttle, self.after.throttle
        flags = [flag for throttle in (before, after) if throttle for flag in throttle.now]
        if before and after:
            flags += [flag for flag in after.since_boot if flag not in before.since_boot]
        return tuple(dict.fromkeys(flags))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, as the published schema says."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Result:
        """Inverse of :meth:`to_dict`.

        Raises:
            ResultError: another schema, or a field that is missing, unknown or of another type or range.
        """
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SCHEMA:
            raise ResultError(
                f"this hawklet reads results of schema {SCHEMA}, got {schema or 'none'}; measure again: hawklet bench"
            )
        result = record_from(cls, data)
        _check(result)
        return result

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result as JSON, whole or not at all."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        safefiles.write_text(path, text + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Result:
        """Read a result.

        Raises:
            ResultError: the file is missing, no JSON, or no benchmark result of this schema.
        """
        location = Path(path)
        try:
            if location.stat().st_size > _MAX_BYTES:
                raise ResultError(f"{location}: a benchmark result has {_MAX_BYTES // 1_000_000} MB at most")
            data = json.loads(location.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        except OSError as error:
            raise ResultError(
                f"{location}: cannot be read ({error.strerror}); make one: hawklet bench MODEL -o {location}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise ResultError(f"{location}: not JSON, or cut short ({error}); measure again: hawklet bench") from error
        try:
            return cls.from_dict(data)
        except ResultError as error:
            raise ResultError(f"{location}: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _check(result: Result) -> None:
    model = result.model
    if model.bytes < 1 or result.engine.threads < 1 or not 0 <= (model.accuracy or 0) <= 100:
        raise ResultError(
            "model.bytes and engine.threads must be at least 1 and model.accuracy 0..100, "
            f"got {model.bytes}, {result.engine.threads} and {model.accuracy}"
        )
    if not result.runs:
        raise ResultError("a result must hold the samples of at least one process, got none")
    for index, run in enumerate(result.runs):
        for clock, times in (("wall_ms", run.wall_ms), ("cpu_ms", run.cpu_ms)):
            where = f"runs[{index}].{clock}"
            if missing := [stage for stage in STAGES if stage not in times]:
                raise ResultError(f"{where} lacks the stage {missing[0]}")
            if strange := [stage for stage in times if stage not in METRICS]:
                raise ResultError(f"{where} has the unknown stage {strange[0]}")
            if len({len(values) for values in times.values()}) != 1 or not times[STAGES[0]]:
                raise ResultError(f"{where} must hold the same number of samples for every stage, at least one")
            if not all(0 <= value <= _MAX_MS for values in times.values() for value in values):
                raise ResultError(f"{where} holds a time outside 0..{_MAX_MS:g} ms")
        if sum(sum(run.wall_ms[stage]) for stage in _FRAME_STAGES) <= 0:
            raise ResultError(f"runs[{index}] holds frames that took no time")
