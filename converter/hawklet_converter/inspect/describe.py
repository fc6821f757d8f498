"""Putting facts into words: the rows that the terminal and the HTML page share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hawklet.bundle import Manifest
from hawklet.printable import printable
from hawklet.spec import CHANNELS, ModelFormat
from hawklet_converter.inspect.examine import ModelExamination
from hawklet_converter.inspect.facts import Arithmetic, LayerFacts, ModelFacts, PrecisionKind, Shape, TensorFacts
from hawklet_converter.inspect.judge import activation_scheme, layout, weight_dtypes, weight_scheme
from hawklet_converter.inspect.trial import Latency, Trial, is_widened

_KINDS = {
    PrecisionKind.INT8: "full int8, weights and activations",
    PrecisionKind.INT16: "16-bit activations, {weights} weights",
    PrecisionKind.DYNAMIC_INT8: "dynamic range: {weights} weights, activations quantized anew at every inference",
    PrecisionKind.INT8_WEIGHTS: "weight-only: stored as {weights}, computed in float32",
    PrecisionKind.FLOAT16_WEIGHTS: "float32, with weights stored as float16",
    PrecisionKind.FLOAT16: "float16",
    PrecisionKind.FLOAT32: "float32",
    PrecisionKind.MIXED: "mixed",
    PrecisionKind.NONE: "computes nothing that is known",
}
_METADATA_WIDTH = 100
_FACTS_SHOWN = 24
_LABELS_SHOWN = 3


def rows(model: ModelExamination) -> list[tuple[str, str]]:
    """Name and text of everything worth a line; empty texts are left out."""
    facts = model.facts
    if facts is None:
        return []
    found = [
        ("format", _format(facts)),
        ("claimed", _claimed(model)),
        ("precision", precision(facts)),
        ("weights", weight_scheme(facts)),
        ("activations", activation_scheme(facts)),
        *((_numbered("input", n, facts.inputs), tensor(one, layout(facts))) for n, one in enumerate(facts.inputs)),
        *((_numbered("output", n, facts.outputs), tensor(one)) for n, one in enumerate(facts.outputs)),
        ("MACs", _macs(facts)),
        ("parameters", f"{facts.parameters:,} in {facts.weight_bytes / 1e6:.2f} MB, of {facts.bytes / 1e6:.2f} MB"),
        ("labels", _labels(facts)),
        ("normalize", _normalization(facts)),
        *((f"  {key}", _short(value)) for key, value in facts.metadata.items() if key not in ("labels", "mean", "std")),
        ("runs", _runs(facts, model.trial)),
        ("latency", latency(model.trial.latency) if model.trial and model.trial.latency else ""),
    ]
    return [(name, text) for name, text in found if text]


def _macs(facts: ModelFacts) -> str:
    if not facts.macs:
        return "none" if facts.macs_known else "not known"
    return f"{millions(facts.macs)} M" + ("" if facts.macs_known else ", and more that are not known")


def _numbered(name: str, number: int, tensors: tuple[TensorFacts, ...]) -> str:
    return name if len(tensors) == 1 else f"{name} {number}"


def _format(facts: ModelFacts) -> str:
    name = {ModelFormat.TFLITE: "TFLite", ModelFormat.ONNX: "ONNX"}[facts.format]
    versions = ", ".join(f"{key} {value}" for key, value in facts.versions.items())
    by = f"; by {facts.producer}" if facts.producer else ""
    return f"{name}, {versions}{by}"


def _claimed(model: ModelExamination) -> str:
    claim = model.claim
    if claim is None:
        return ""
    measured = "" if claim.accuracy is None else f", top-1 {claim.accuracy:.1f} %"
    floats = f", float: {', '.join(claim.float_ops)}" if claim.float_ops else ""
    return f"{claim.precision.value}{floats}{measured}, golden tolerance {claim.golden_tolerance:.3g}"


def precision(facts: ModelFacts) -> str:
    """As ``mixed; in int8: 100 % of the MACs and 106 of 125 operations``."""
    kind = _KINDS[facts.precision].format(weights=weight_dtypes(facts))
    words = [
        _share_in(arithmetic, facts)
        for arithmetic in (Arithmetic.INT8, Arithmetic.INT16)
        if any(layer.arithmetic is arithmetic for layer in facts.layers)
    ]
    return "; ".join([kind, *words])


def _share_in(arithmetic: Arithmetic, facts: ModelFacts) -> str:
    layers = [layer for layer in facts.layers if layer.arithmetic is arithmetic]
    share = 100 * sum(layer.macs for layer in layers) / max(1, facts.macs)
    macs = f"{share:.0f} % of the MACs and " if facts.macs_known else ""
    return f"in {arithmetic.value}: {macs}{len(layers)} of {len(facts.computing)} operations"


def tensor(one: TensorFacts, order: str = "") -> str:
    """As ``uint8 [1, 224, 224, 3] NHWC, real -1 .. 0.992 (scale 0.0078125, zero point 128), "input"``."""
    words = f"{one.dtype} {shape(one.shape)}" + (f" {order}" if order else "")
    ends = one.real_range
    if ends is not None and one.grid is not None:
        grid = f"scale {one.grid.scale:.6g}, zero point {one.grid.zero_point}"
        words += f", real {ends[0]:.4g} .. {ends[1]:.4g} ({grid})"
    return f'{words}, "{_short(one.name)}"' if one.name else words


def shape(sides: Shape) -> str:
    """As ``[1, 224, 224, 3]``."""
    return "[" + ", ".join(str(side) for side in sides) + "]"


def _labels(facts: ModelFacts) -> str:
    labels = facts.labels
    if not labels:
        return "none inside the file"
    more = ", ..." if len(labels) > _LABELS_SHOWN else ""
    return f"{len(labels)}: " + _short(", ".join(labels[:_LABELS_SHOWN]) + more)


def _normalization(facts: ModelFacts) -> str:
    mean, std = facts.metadata.get("mean"), facts.metadata.get("std")
    return f"(pixel - {mean}) / {std}" if mean and std else ""


def _short(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _METADATA_WIDTH else line[: _METADATA_WIDTH - 3] + "..."


def _runs(facts: ModelFacts, trial: Trial | None) -> str:
    if trial is None:
        return ""
    if trial.not_tried:
        return f"not tried in {trial.runtime}: {trial.not_tried}"
    if not trial.runs:
        return f"NO, not in {trial.runtime}: see below"
    if trial.executed:
        kinds = ", ".join(f"{op} {n}" for op, n in Counter(trial.executed).most_common(6))
        return f"{trial.runtime}; its optimized graph: {kinds}{', ...' if len(trial.executed) > 6 else ''}"
    if not trial.partitions:
        return f"{trial.runtime}, without a delegate"
    pieces = "one partition" if trial.partitions == 1 else f"{trial.partitions} partitions"
    if trial.undelegated is None:
        return f"{trial.runtime}, {trial.delegate} in {pieces}"
    taken = len(facts.layers) - len(trial.undelegated)
    return f"{trial.runtime}, {trial.delegate} takes {taken} of {len(facts.layers)} operations in {pieces}"


def latency(measured: Latency) -> str:
    """Total, sum of the layers, and by how much they differ."""
    return (
        f"{measured.total_ms:.3f} ms; its layers, measured apart, sum to {measured.sum_ms:.3f} ms "
        f"({100 * measured.discrepancy:+.0f} %)"
    )


def millions(macs: int) -> str:
    """Millions with as many digits as a reader needs."""
    return f"{macs / 1e6:.1f}" if macs >= 1e7 else f"{macs / 1e6:.3g}"


def computes_in(layer: LayerFacts, trial: Trial | None) -> str:
    """What a layer computes in, as the runtime executed it where that is known."""
    if layer.arithmetic.is_integer and trial is not None and trial.integer_layers is not None:
        known = layer.index in trial.integer_layers or layer.op in ("MaxPool", "Resize")
        return layer.arithmetic.value if known else "float32 here"
    if trial is not None and is_widened(layer, trial):
        return "float32 here"
    return layer.arithmetic.value


def _scalars(provenance: Mapping[str, Any]) -> list[str]:
    shown = {key: f"{value:g}" if isinstance(value, float) else value for key, value in provenance.items()}
    return [f"{key} {value}" for key, value in shown.items() if isinstance(value, str | int)]


def _acceptance(manifest: Manifest) -> str:
    """When the files say nothing, and whether that was tried on pictures of no class."""
    described = printable(manifest.acceptance.describe())
    if manifest.unknown is None:
        return described
    tried = manifest.unknown.validated
    if tried is None:
        return f"{described}; not tried on pictures of no class"
    shares = [f"{name} {_short(str(value))}" for name, value in tried.items()]
    return f"{described}; tried on pictures of no class: {', '.join(shares)}"


def bundle_rows(manifest: Manifest, golden_frames: int) -> list[tuple[str, str]]:
    """What a manifest says."""
    spec = manifest.preprocess
    crop = f" {spec.crop_fraction:g}" if spec.fit.value == "crop" else ""
    found = [
        ("bundle", f"{manifest.name}, made {manifest.created} by hawklet {manifest.hawklet_version}"),
        ("labels", f"{len(manifest.labels)}: " + _short(", ".join(manifest.labels))),
        ("pictures", f"{spec.width}x{spec.height}, {spec.fit.value}{crop}, {spec.interpolation.value}, "
                     f"{CHANNELS[spec.channels]}"),
        ("confidence", f"temperature {manifest.temperature:.3g}"
                       + (f", {len(manifest.thresholds)} thresholds" if manifest.thresholds else "")),
        ("acceptance", _acceptance(manifest)),
        ("golden", f"{golden_frames} frames" if golden_frames else "none that can be used"),
        ("made from", ", ".join(map(_short, _scalars(manifest.provenance)[:_FACTS_SHOWN]))),
    ]  # fmt: skip
    return [(name, text) for name, text in found if text]
