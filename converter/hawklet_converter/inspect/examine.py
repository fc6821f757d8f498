"""Examining one file: read it, judge it, try it in its runtime, and compare with what a bundle claims of it."""

from __future__ import annotations

import platform
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hawklet.bundle import Bundle, Manifest, Variant
from hawklet.errors import BundleError, ModelError, UsageError
from hawklet.spec import ModelFormat
from hawklet_converter.inspect import claims, inspect_model, judge
from hawklet_converter.inspect.facts import Finding, LayerFacts, ModelFacts, Severity, Source
from hawklet_converter.inspect.trial import Trial, is_widened, try_model

MAX_BYTES = (1 << 31) - 1
"""Largest file: neither flatbuffers nor protocol buffers go beyond."""

_FOREIGN = (
    (0, b"\x89HDF\r\n", "an HDF5 (Keras) file"),
    (0, b"PK\x03\x04", "a zip archive (PyTorch and Keras files are such)"),
    (0, b"\x80\x02", "a pickle (an old PyTorch file)"),
    (0, b"\x80\x04", "a pickle (an old PyTorch file)"),
    (8, b'{"', "a safetensors file: weights without a graph"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"ftrt", "a TensorRT engine"),
    (0, b"\x1f\x8b", "a gzip archive"),
)


@dataclass(frozen=True)
class Depth:
    """How far an examination goes."""

    run: bool = True
    """Load the model in its runtime."""
    latency: bool = False
    """Measure every layer."""


@dataclass(frozen=True)
class ModelExamination:
    """All that was found out about one model."""

    name: str
    facts: ModelFacts | None
    """None where the file could not be read."""
    trial: Trial | None
    """None where it was not tried."""
    findings: tuple[Finding, ...]
    claim: Variant | None = None
    """What the bundle says of it."""

    @property
    def is_wrong(self) -> bool:
        """Whether it cannot do what it should, or is not what is claimed."""
        return any(finding.severity is Severity.WRONG for finding in self.findings)


@dataclass(frozen=True)
class Examination:
    """All that was found out about one file."""

    path: Path
    models: tuple[ModelExamination, ...]
    manifest: Manifest | None = None
    """Of a bundle."""
    golden_frames: int = 0
    findings: tuple[Finding, ...] = ()
    """About the bundle itself."""

    @property
    def is_a_lie(self) -> bool:
        """Whether a bundle is damaged, or one of its variants is not what the manifest claims, or cannot run."""
        broken = any(finding.severity is Severity.WRONG for finding in self.findings)
        return self.manifest is not None and (broken or any(model.is_wrong for model in self.models))


def examine(path: Path, depth: Depth, announce: Callable[[str], object]) -> Examination:
    """Examine a model file or a bundle.

    Args:
        path: ``.tflite``, ``.onnx``, ``.hawklet``, or an unpacked bundle's folder.
        depth: How far to go.
        announce: Told what is begun, since measuring takes seconds.

    Raises:
        UsageError: there is no such file, or it is nothing that can be inspected.
        ModelError: the file is damaged.
        BundleError: the bundle is damaged so far that it cannot be opened.
    """
    if not path.exists():
        raise UsageError(f"there is no model or bundle at {path}")
    if _is_bundle(path):
        return _examine_bundle(Bundle.open(path), depth, announce)
    if not path.is_file():
        raise UsageError(
            f"inspect takes a .tflite, .onnx or .hawklet file, or an unpacked bundle; {path} is none of them"
        )
    content = _read(path)
    announce(path.name)
    return Examination(path, (_examine_model(path.name, content, format_in(content, path), depth, beside=path.parent),))


def _is_bundle(path: Path) -> bool:
    if path.is_dir():
        return (path / "manifest.json").is_file()
    return path.suffix.lower() == ".hawklet" or (path.is_file() and _is_zip_of_a_bundle(path))


def _is_zip_of_a_bundle(path: Path) -> bool:
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "manifest.json" in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):
        return False


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size == 0:
        raise ModelError(f"{path.name} is empty")
    if size > MAX_BYTES:
        raise ModelError(f"a model file has {MAX_BYTES} bytes at most, {path.name} has {size}")
    return path.read_bytes()


def format_in(content: bytes, path: Path) -> ModelFormat:
    """The format that a file's bytes show, whatever it is called.

    Raises:
        ModelError: they are another known format, or the name says nothing either.
    """
    if content[4:8] == b"TFL3":
        return ModelFormat.TFLITE
    for place, mark, what in _FOREIGN:
        if content[place : place + len(mark)] == mark:
            raise ModelError(f"{path.name} is {what}; inspect reads .tflite, .onnx and .hawklet")
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in {one.value for one in ModelFormat}:
        raise ModelError(f"inspect reads .tflite, .onnx and .hawklet files; {path.name} shows no mark of any")
    return ModelFormat(suffix)


def _examine_model(
    name: str,
    content: bytes,
    model_format: ModelFormat,
    depth: Depth,
    claim: Variant | None = None,
    *,
    beside: Path | None = None,
) -> ModelExamination:
    facts = inspect_model(content, model_format)
    trial = try_model(content, model_format, latency=depth.latency, beside=beside) if depth.run else None
    findings = (*judge.judge(facts), *(_trial_findings(facts, trial) if trial else _refused_by_table(facts)))
    return ModelExamination(name, facts, trial, findings, claim)


def _trial_findings(facts: ModelFacts, trial: Trial) -> Iterator[Finding]:
    if trial.not_tried:
        text = f"{trial.runtime} loads it; whether it runs was not tried: {trial.not_tried}"
        yield Finding(Severity.NOTE, "not-tried", text, Source.MEASURED)
    elif not trial.runs:
        yield Finding(Severity.WRONG, "cannot-run", f"{trial.runtime} cannot run it: {trial.error}", Source.MEASURED)
    if trial.undelegated:
        yield _undelegated_finding(facts, trial, set(trial.undelegated))
    if trial.integer_layers is not None:
        yield from _not_fused(facts, trial, set(trial.integer_layers))
    yield from _widened(facts, trial)
    if trial.latency is not None and abs(trial.latency.discrepancy) > _FAITHFUL:
        text = f"the layers sum to {100 * trial.latency.discrepancy:+.0f} % of the total: {_SUM_DIFFERS[facts.format]}"
        yield Finding(Severity.NOTE, "latency-sum", f"{text}; trust their order more than their size", Source.MEASURED)


_FAITHFUL = 0.15
"""Share by which a sum of layers may miss the total before that is said."""
_SUM_DIFFERS = {
    ModelFormat.TFLITE: "alone, a layer finds its weights in the cache, and pays for a call of its own",
    ModelFormat.ONNX: "the profiler's own cost shows in many short layers, and a busy machine disturbs its clock",
}


_REASONS = {
    ("HARD_SWISH", "int8", "int8"): "XNNPACK has no integer hard-swish",
    ("QUANTIZE", "uint8", "int8"): "XNNPACK does not turn uint8 into int8",
    ("QUANTIZE", "int8", "uint8"): "XNNPACK does not turn int8 into uint8",
    ("SOFTMAX", "int8", "int8"): "XNNPACK has no integer softmax",
    ("SOFTMAX", "uint8", "uint8"): "XNNPACK has no integer softmax",
    ("AVERAGE_POOL_2D", "int8", "int8"): "XNNPACK has no integer average pooling",
    ("AVERAGE_POOL_2D", "uint8", "uint8"): "XNNPACK has no integer average pooling",
}
"""Why an operation of these types, in and out, is refused; that it was, is measured wherever the model was tried."""


def _reason(layer: LayerFacts) -> str:
    if "int16" in (layer.input_dtype, layer.output_dtype):
        return "XNNPACK has no int16 kernels"
    if layer.op == "CONV_2D" and layer.kernel is not None and layer.kernel.dtype == "int4":
        return "XNNPACK has no convolution with int4 weights"
    return _REASONS.get((layer.op, layer.input_dtype, layer.output_dtype), "")


def _refused_by_table(facts: ModelFacts) -> Iterator[Finding]:
    """What XNNPACK would leave out, for a model that was not tried."""
    if facts.format is not ModelFormat.TFLITE:
        return
    text = "not run: the table of what XNNPACK refuses is partial, and only a run tells how the graph falls apart"
    yield Finding(Severity.NOTE, "not-tried", text, Source.TABLE)
    left = [layer for layer in facts.layers if _reason(layer)]
    if left:
        reasons = "; ".join(dict.fromkeys(_reason(layer) for layer in left))
        text = f"XNNPACK would leave out {judge.counted(layer.op for layer in left)} ({reasons})"
        indices = tuple(layer.index for layer in left)
        yield Finding(Severity.SLOW if len(left) > 3 else Severity.NOTE, "undelegated", text, Source.TABLE, indices)


def _undelegated_finding(facts: ModelFacts, trial: Trial, undelegated: set[int]) -> Finding:
    left = [layer for layer in facts.layers if layer.index in undelegated]
    reasons = dict.fromkeys(reason for layer in left if (reason := _reason(layer)))
    inside = trial.partitions > 1
    text = (
        f"{trial.delegate or 'the delegate'} leaves out {judge.counted(layer.op for layer in left)}"
        + (f", so the graph falls into {trial.partitions} partitions" if inside else "")
        + (f" ({'; '.join(reasons)})" if reasons else "")
    )
    many = trial.partitions > 3 or any(layer.macs for layer in left)
    severity = Severity.SLOW if many else Severity.NOTE
    return Finding(severity, "undelegated", text, Source.MEASURED, tuple(sorted(undelegated)))


def _not_fused(facts: ModelFacts, trial: Trial, integer: set[int]) -> Iterator[Finding]:
    """Layers that the graph would let compute in int8, and that the runtime here left in float."""
    judged = [layer for layer in facts.layers if layer.arithmetic.is_integer]
    left = [layer for layer in judged if layer.index not in integer and layer.op not in _TYPELESS]
    if left and trial.runs:
        macs = sum(layer.macs for layer in left)
        kinds = "/".join(dict.fromkeys(layer.arithmetic.value for layer in left))
        text = (
            f"{trial.runtime} on this machine computes {judge.counted(layer.op for layer in left)} in float, "
            f"{100 * macs / max(1, facts.macs):.0f} % of the MACs, though the graph lets them be {kinds}"
        )
        if platform.machine() == "x86_64" and any(one.dtype == "int8" for one in facts.activations):
            text += "; it fuses signed activations only in part on x86 (uint8 ones are for x86, int8 ones for Arm)"
        yield Finding(Severity.SLOW, "not-fused", text, Source.MEASURED, tuple(layer.index for layer in left))


def _widened(facts: ModelFacts, trial: Trial) -> Iterator[Finding]:
    """Layers that the file holds in float16, and that the runtime here computes in float32."""
    widened = [layer for layer in facts.layers if is_widened(layer, trial)]
    if widened:
        text = (
            f"{trial.runtime} on this machine turns {judge.counted(layer.op for layer in widened)} into float32: the "
            "file is smaller, its arithmetic no quicker"
        )
        yield Finding(Severity.SLOW, "widened", text, Source.MEASURED, tuple(layer.index for layer in widened))


_TYPELESS = frozenset({"MaxPool", "Resize"})
"""Integer kernels that have the same name as the float ones."""


def _examine_bundle(bundle: Bundle, depth: Depth, announce: Callable[[str], object]) -> Examination:
    manifest = bundle.manifest
    models = tuple(_examine_variant(bundle, variant, depth, announce) for variant in manifest.variants)
    frames, findings = claims.check_bundle(bundle)
    return Examination(bundle.path, models, manifest, frames, tuple(findings))


def _examine_variant(
    bundle: Bundle, variant: Variant, depth: Depth, announce: Callable[[str], object]
) -> ModelExamination:
    announce(variant.name)
    try:
        content = bundle.read(variant.file)
        found = _examine_model(variant.name, content, variant.format, depth, variant)
    except (BundleError, ModelError) as error:
        finding = Finding(Severity.WRONG, "unreadable", str(error))
        return ModelExamination(variant.name, None, None, (finding,), variant)
    assert found.facts is not None  # noqa: S101 -- what was examined without an error has facts
    lies = claims.check_claims(variant, bundle.manifest, found.facts, len(content))
    return ModelExamination(variant.name, found.facts, found.trial, (*lies, *found.findings), variant)
