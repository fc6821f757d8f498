"""Make one candidate of the search: plan it, write its files, and measure them as the device will see them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import fx

from hawklet.errors import ModelError
from hawklet.spec import Floats, ModelFormat, Pixels, Precision
from hawklet_converter.candidate import Candidate
from hawklet_converter.float_exports import FloatExport
from hawklet_converter.float_segments import FloatSegment
from hawklet_converter.judge import judge
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.make_plan import PlanMaker, Planned
from hawklet_converter.recipes import Attempt, Recipe
from hawklet_converter.verify import logits_of, open_classifier, top1
from hawklet_converter.write_variants import Identity, Layout, write_dynamic, write_float16, write_int8

Train = Callable[[Planned, float], Planned]
"""Quantization-aware training of a plan until a deadline (seconds of ``time.monotonic()``)."""


@dataclass(frozen=True)
class Judges:
    """What candidates are measured against."""

    val: Pixels
    """Validation pictures, ``uint8 [N, H, W, C]``."""
    truth: npt.NDArray[np.int64]
    reference: Floats
    """The float file's logits on them, ``float32 [N, classes]``."""
    float_files: Mapping[ModelFormat, bytes]
    latency: LatencySource


class CandidateMaker:
    """Makes candidates of one network.

    Args:
        plans: Makes the int8 plans.
        exports: The float files, understood.
        identity: What every file says of itself.
        layout: How int8 files are laid out for the target.
        judges: What candidates are measured against.
        train: Quantization-aware training.
    """

    def __init__(
        self,
        plans: PlanMaker,
        exports: Mapping[ModelFormat, FloatExport],
        identity: Identity,
        layout: Layout,
        judges: Judges,
        train: Train,
    ) -> None:
        self._plans = plans
        self._exports = exports
        self._identity = identity
        self._layout = layout
        self._judges = judges
        self._train = train
        self._left_in_float: set[tuple[str, ...]] = {()}  # int8 has been tried without

    def make(self, recipe: Recipe, attempt: Attempt | None, deadline: float) -> Candidate:
        """See :class:`hawklet_converter.search.Maker`."""
        start = time.monotonic()
        if attempt is None:
            files = {f: self._write_plain(recipe.precision, f) for f in self._exports}
            return self._measure(recipe, recipe.method, files, None, start)
        planned = self._plans.make(attempt)
        if attempt.float_share:
            self._require_new(planned.segment, attempt)
        if attempt.train:
            planned = self._train(planned, deadline)
        files = {f: self._write_int8(f, planned.net, planned) for f in self._exports}
        return self._measure(recipe, attempt.name, files, planned, start)

    def _require_new(self, segment: FloatSegment, attempt: Attempt) -> None:
        if segment.layers in self._left_in_float:
            raise ModelError(
                f"an attempt must differ from those before it; what fits into {attempt.float_share:.0%} of the "
                f"multiplications was tried already ({', '.join(segment.layers) or 'nothing does'})"
            )
        self._left_in_float.add(segment.layers)

    def _write_plain(self, precision: Precision, model_format: ModelFormat) -> bytes:
        return _PLAIN_WRITERS[precision](model_format, self._exports[model_format], self._identity)

    def _write_int8(self, model_format: ModelFormat, net: fx.GraphModule, planned: Planned) -> bytes:
        export = self._exports[model_format]
        return write_int8(model_format, export, net, planned.plan, self._identity, self._layout)

    def _measure(
        self, recipe: Recipe, method: str, files: Mapping[ModelFormat, bytes], planned: Planned | None, start: float
    ) -> Candidate:
        known = self._judges
        logits = {f: self._logits(content, f) for f, content in files.items()}
        judged = {f: judge(values, known.reference) for f, values in logits.items()}
        float_files = {f"float32-{f.value}": (f, content) for f, content in known.float_files.items()}
        times = known.latency.measure(float_files | {f.value: (f, content) for f, content in files.items()})
        timed = [f for f in files if f.value in times and f"float32-{f.value}" in times]
        return Candidate(
            recipe=recipe.name,
            method=method,
            precision=recipe.precision,
            files=files,
            plan=planned.plan if planned else None,
            top1={f: top1(values, known.truth) for f, values in logits.items()},
            agreement={f: judgement.agreement for f, judgement in judged.items()},
            divergence={f: judgement.divergence for f, judgement in judged.items()},
            ms={f: times[f.value] for f in timed},
            float_ms={f: times[f"float32-{f.value}"] for f in timed},
            float_layers=planned.segment.layers if planned else (),
            float_macs_share=planned.segment.macs_share if planned else 0.0,
            seconds=time.monotonic() - start,
            finished=planned.finished if planned else True,
        )

    def _logits(self, content: bytes, model_format: ModelFormat) -> Floats:
        known = self._identity
        return logits_of(open_classifier(content, model_format, known.labels, known.spec), self._judges.val)


_PLAIN_WRITERS: dict[Precision, Callable[[ModelFormat, FloatExport, Identity], bytes]] = {
    Precision.FLOAT16: write_float16,
    Precision.DYNAMIC_INT8: write_dynamic,
}
