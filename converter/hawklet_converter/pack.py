"""Put files, golden frames and facts into a bundle."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hawklet import __version__
from hawklet.acceptance import Acceptance
from hawklet.bundle import Golden, Manifest, Variant, write_bundle
from hawklet.golden import record
from hawklet.spec import Floats, ModelFormat, Pixels, Precision
from hawklet_converter.golden_tolerance import float_tolerance, integer_tolerance
from hawklet_converter.model_card import model_card
from hawklet_converter.plan import QuantPlan
from hawklet_converter.request import Row
from hawklet_converter.search_report import search_report
from hawklet_converter.verify import open_classifier
from hawklet_trainer.run import Run

PLAN_FILE = "quantization/plan.json"
"""Where a bundle keeps the plan its int8 files were written by."""

_INTEGER_KERNELS = (Precision.INT8, Precision.DYNAMIC_INT8)
REPORT_FILE = "quantization/report.html"
"""Where a bundle keeps the page that says how it was converted."""


@dataclass(frozen=True)
class VariantFile:
    """One model file on its way into a bundle."""

    content: bytes
    precision: Precision
    output_step: float
    """int8: one step of the logits' grid; else 0."""
    float_ops: tuple[str, ...]


@dataclass(frozen=True)
class Packing:
    """All that goes into a bundle."""

    run: Run
    rows: tuple[Row, ...]
    """In order of preference."""
    files: Mapping[str, VariantFile]
    """By variant."""
    golden_inputs: Pixels
    """``uint8 [N, H, W, C]``."""
    temperature: float
    """Of the preferred variant."""
    acceptance: Acceptance
    """When the files say nothing."""
    provenance: Mapping[str, Any]
    plan: QuantPlan | None
    notes: tuple[str, ...]
    """What a reader of the tables must know."""


def pack(target: Path, packing: Packing) -> Manifest:
    """Write the bundle, whole or not at all.

    Returns:
        The manifest as written.
    """
    run = packing.run
    outputs = {row.variant: _record(packing, row.variant) for row in packing.rows}
    variants = tuple(_variant(packing, row, outputs[row.variant]) for row in packing.rows)
    manifest = Manifest(
        name=run.name,
        labels=run.labels,
        preprocess=run.spec,
        variants=variants,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        hawklet_version=__version__,
        temperature=packing.temperature,
        thresholds=packing.acceptance.thresholds,
        unknown=packing.acceptance.unknown,
        provenance=packing.provenance,
    )
    members = {variant.file: packing.files[variant.name].content for variant in variants}
    if packing.plan is not None:
        members[PLAN_FILE] = json.dumps(packing.plan.to_dict()).encode()
    page = search_report(run.name, packing.provenance, packing.rows, packing.notes)
    members[REPORT_FILE] = page.encode()
    card = model_card(run.name, run.labels, packing.provenance, packing.rows, run.spec.channels)
    return write_bundle(target, manifest, members, Golden(packing.golden_inputs, outputs), card)


def format_of(variant: str) -> ModelFormat:
    """The format that ends a variant's name, as in ``int8-tflite``."""
    return ModelFormat(variant.rsplit("-", 1)[1])


def _record(packing: Packing, variant: str) -> Floats:
    content = packing.files[variant].content
    return record(
        open_classifier(content, format_of(variant), packing.run.labels, packing.run.spec), packing.golden_inputs
    )


def _variant(packing: Packing, row: Row, outputs: Floats) -> Variant:
    file, model_format = packing.files[row.variant], format_of(row.variant)
    tolerance = float_tolerance(outputs)
    if file.precision in _INTEGER_KERNELS:
        seen = integer_tolerance(file.content, model_format, packing.golden_inputs, outputs, file.output_step)
        tolerance = seen if file.output_step else max(seen, tolerance)
    return Variant(
        name=row.variant,
        file=f"models/{row.variant}.{model_format.value}",
        format=model_format,
        precision=file.precision,
        bytes=len(file.content),
        sha256=hashlib.sha256(file.content).hexdigest(),
        accuracy=row.val if row.test is None else row.test,
        golden_tolerance=tolerance,
        float_ops=file.float_ops,
    )
