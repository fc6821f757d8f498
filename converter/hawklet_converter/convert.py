"""One conversion from start to end: a run folder in, a verified bundle out."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.errors import BudgetError, BundleError, UsageError
from hawklet.safefiles import require_writable, sha256_of
from hawklet.spec import Floats, ModelFormat, Pixels
from hawklet_converter.collect_ranges import collect_ranges
from hawklet_converter.find_biases import biases_of
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.make_plan import Evidence, Judgement, agreement, rank_plans
from hawklet_converter.measure_latency import measure_latency
from hawklet_converter.one_thread import one_thread
from hawklet_converter.pack import Packing, VariantFile, format_of, pack
from hawklet_converter.plan import LOWEST, ActivationQuant, QuantPlan
from hawklet_converter.prune_channels import parameters, prune_channels
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_converter.request import Conversion, ConvertRequest, Row, activations_for
from hawklet_converter.steps import Steps
from hawklet_converter.verify import logits_of, open_classifier, top1
from hawklet_converter.write_variants import Identity, float_ops, write_float, write_int8
from hawklet_trainer.data import PhotoSet, load_pixels
from hawklet_trainer.evaluate import accuracy_of
from hawklet_trainer.loop import EpochRecord, Progress, as_input, fine_tune
from hawklet_trainer.run import BEST, Run, load_run

FORMATS = (ModelFormat.TFLITE, ModelFormat.ONNX)
_BIAS_PICTURES = 48
_LIBRARIES = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "onnx", "onnxruntime", "torch-pruning")


@dataclass(frozen=True)
class _Pictures:
    """Prepared pictures, ``uint8 [N, H, W, C]``, and true labels, ``int64 [N]``."""

    calibration: Pixels
    val: Pixels
    val_truth: npt.NDArray[np.int64]
    test: Pixels
    """Empty where the run has no test split."""
    test_truth: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Quantized:
    """What quantization decided, and its files."""

    plan: QuantPlan
    judged: Mapping[str, Judgement]
    files: Mapping[ModelFormat, bytes]
    output_step: float
    """One step of the logits' grid."""


def convert(request: ConvertRequest, steps: Steps) -> Conversion:
    """Convert a run.

    Args:
        request: What to do.
        steps: Told about each step.

    Returns:
        Where the bundle is and what was measured.

    Raises:
        RunError: the run folder is incomplete.
        DataError: its photos are not there.
        ModelError: a step cannot handle the network.
        BudgetError: int8 loses more than ``max_drop`` points; nothing has been written.
    """
    if request.max_drop < 0:
        raise UsageError(f"--max-drop must be 0 or more points, got {request.max_drop:g}")
    run = load_run(request.run)
    _require_place(_bundle_path(request, run))
    photos = run.photos(request.photos)
    with steps.step("reading pictures"):
        pictures = _load_pictures(run, photos, request.calibration)
        net = run.build()
    reference: float | None = None
    if request.prune:
        with steps.step(f"pruning {request.prune:.0%} of the channels, {request.prune_epochs} epochs of recovery"):
            reference = _accuracy(net, run, pictures)
            net = _prune(net, run, photos, pictures, request, steps)
        _require_recovery(request, _accuracy(net, run, pictures), reference, len(pictures.val))
    with one_thread():
        return _convert_net(net, run, pictures, reference, request, steps)


def _convert_net(
    net: nn.Module, run: Run, pictures: _Pictures, reference: float | None, request: ConvertRequest, steps: Steps
) -> Conversion:
    folded = fold_batch_norm(net).to(memory_format=torch.channels_last)
    identity = Identity(run.name, run.labels, run.spec, run.pixel_zero_point, run.pixel_scale)
    inputs = as_input(pictures.calibration, run.pixel_zero_point, run.pixel_scale)
    with steps.step("exporting float32 TFLite and ONNX"):
        exports = export_float(folded, run.spec, inputs, FORMATS)
        files = {f"float32-{f.value}": write_float(f, export, identity) for f, export in exports.items()}
    quantized = None
    if request.int8:
        logits = _logits(files["float32-tflite"], ModelFormat.TFLITE, identity, pictures.val)
        floor = (top1(logits, pictures.val_truth) if reference is None else reference) - request.max_drop
        quantized = _quantize(folded, exports, inputs, identity, (logits, floor), pictures, request, steps)
        files = {f"int8-{f.value}": content for f, content in quantized.files.items()} | files
    return _verify_and_pack(request, run, pictures, files, quantized, reference, steps)


def _load_pictures(run: Run, photos: PhotoSet, calibration: int) -> _Pictures:
    if calibration < 2:
        raise UsageError(f"--calibration must be at least 2 pictures, got {calibration}")
    seen, _ = load_pixels(photos.items("train"), run.spec, limit=calibration)
    val, val_truth = load_pixels(photos.items("val"), run.spec)
    if photos.items("test"):
        test, test_truth = load_pixels(photos.items("test"), run.spec)
    else:
        test, test_truth = val[:0], val_truth[:0]
    return _Pictures(seen, val, val_truth, test, test_truth)


def _accuracy(net: nn.Module, run: Run, pictures: _Pictures) -> float:
    return accuracy_of(net, pictures.val, pictures.val_truth, run.pixel_zero_point, run.pixel_scale)


class _Recovery(Progress):
    """Says how far the recovery from pruning is."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def epoch(self, record: EpochRecord, net: nn.Module, best: bool) -> None:
        self._steps.note(f"epoch {record.epoch:2d}  val top-1 {record.val_top1:5.1f} %  {record.seconds:6.1f} s")


def _prune(
    net: nn.Module, run: Run, photos: PhotoSet, pictures: _Pictures, request: ConvertRequest, steps: Steps
) -> nn.Module:
    pruned = prune_channels(net, run.spec, request.prune)
    reestimate_batch_norm(pruned, as_input(pictures.calibration, run.pixel_zero_point, run.pixel_scale))
    steps.note(f"{parameters(net) / 1e6:.2f} -> {parameters(pruned) / 1e6:.2f} million parameters")
    # Flips and crops as in training: what made a left arrow a left arrow must hold here too.
    config = run.config(
        epochs=request.prune_epochs,
        minutes=None,
        freeze_batch_norm=False,  # fewer channels come in, so the statistics are other ones
        accuracy_first=True,  # --max-drop is a promise in points of top-1
        seed=request.seed,
    )
    zp, scale = run.pixel_zero_point, run.pixel_scale
    history = fine_tune(pruned, photos, run.spec, zp, scale, config, teacher=net, progress=_Recovery(steps))
    steps.note(f"val top-1 {history.best_val_top1:.1f} % after recovery")
    return pruned


def _quantize(
    folded: fx.GraphModule,
    exports: Mapping[ModelFormat, FloatExport],
    inputs: torch.Tensor,
    identity: Identity,
    wanted: tuple[Floats, float],
    pictures: _Pictures,
    request: ConvertRequest,
    steps: Steps,
) -> _Quantized:
    """Plan and write; ``wanted`` is the float file's logits on the validation pictures, and the top-1 to keep there."""
    biases = biases_of(folded)
    activations = activations_for(request.target)

    def write(model_format: ModelFormat, plan: QuantPlan) -> bytes:
        return write_int8(model_format, exports[model_format], plan, biases, identity, activations)

    def run_plan(plan: QuantPlan) -> Floats:
        return _logits(write(ModelFormat.TFLITE, plan), ModelFormat.TFLITE, identity, pictures.val)

    with steps.step(f"collecting ranges on {len(inputs)} training pictures"):
        evidence = _collect_evidence(folded, exports, inputs, identity, request.seed)
    with steps.step("choosing the quantization plan on validation pictures"):
        ranked, judged = rank_plans(evidence, run_plan, wanted[0])
    with steps.step("writing int8 TFLite and ONNX by the same plan"):
        written = ((plan, {model_format: write(model_format, plan) for model_format in exports}) for plan in ranked)
        plan, files = _first_within_budget(written, wanted[1], identity, pictures)
    steps.note(f"plan: {plan.method}")
    return _Quantized(plan, judged, files, plan.activations[_output_node(folded)].scale)


def _first_within_budget(
    written: Iterator[tuple[QuantPlan, dict[ModelFormat, bytes]]], floor: float, identity: Identity, pictures: _Pictures
) -> tuple[QuantPlan, dict[ModelFormat, bytes]]:
    """The first plan both of whose files keep the budget; the very first where none does (it is refused later)."""
    first = None
    for plan, files in written:
        first = first or (plan, files)
        kept = (top1(_logits(content, f, identity, pictures.val), pictures.val_truth) for f, content in files.items())
        if min(kept) >= floor - 1e-9:
            return plan, files
    assert first is not None, "there is always a candidate"  # noqa: S101 -- narrows the type
    return first


def _collect_evidence(
    folded: fx.GraphModule,
    exports: Mapping[ModelFormat, FloatExport],
    inputs: torch.Tensor,
    identity: Identity,
    seed: int,
) -> Evidence:
    distributions = collect_ranges(folded, inputs, seed)
    for export in exports.values():
        distributions |= export.own
    pixels = ActivationQuant(float(np.float32(identity.scale)), identity.zero_point + LOWEST)
    correctable = set.intersection(*(set(export.biases) for export in exports.values()))
    return Evidence(
        folded, distributions, {_input_node(folded): pixels}, correctable, inputs[_spread(len(inputs), _BIAS_PICTURES)]
    )


def _spread(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """So many positions at even steps: pictures are sorted by class, and every class is to be among them."""
    return np.asarray(np.linspace(0, count - 1, min(count, wanted)).round(), dtype=np.int64)


def _input_node(net: fx.GraphModule) -> str:
    return str(next(node.name for node in net.graph.nodes if node.op == "placeholder"))


def _output_node(net: fx.GraphModule) -> str:
    output = next(node for node in net.graph.nodes if node.op == "output")
    return str(output.all_input_nodes[0].name)


def _logits(content: bytes, model_format: ModelFormat, identity: Identity, pixels: Pixels) -> Floats:
    return logits_of(open_classifier(content, model_format, identity.labels, identity.spec), pixels)


def _require_place(target: Path) -> None:
    """Refuse a place where no bundle can be written, or where something else is: now, not after an hour's work."""
    if target.suffix.lower() != ".hawklet":
        raise UsageError(f"-o names the bundle, NAME.hawklet, got {target}")
    if target.is_file():
        try:
            Bundle.open(target)
        except BundleError as error:
            raise UsageError(f"-o {target} is there and no bundle, so it is not replaced; name another") from error
    require_writable(target)


def _bundle_path(request: ConvertRequest, run: Run) -> Path:
    return request.output or Path(f"{run.name}.hawklet")


def _verify_and_pack(
    request: ConvertRequest,
    run: Run,
    pictures: _Pictures,
    files: Mapping[str, bytes],
    quantized: _Quantized | None,
    reference: float | None,
    steps: Steps,
) -> Conversion:
    with steps.step("measuring every file on the validation pictures"):
        classifiers = {
            name: open_classifier(content, format_of(name), run.labels, run.spec) for name, content in files.items()
        }
        val = {name: logits_of(classifier, pictures.val) for name, classifier in classifiers.items()}
    accuracy = {name: top1(logits, pictures.val_truth) for name, logits in val.items()}
    before = accuracy["float32-tflite"] if reference is None else reference
    if quantized is not None:
        _require_budget(request, accuracy, before, len(pictures.val))
    with steps.step("measuring every file on the test pictures, and its latency"):
        rows = _measure_rows(files, classifiers, val, accuracy, pictures, run)
    target = _bundle_path(request, run)
    with steps.step("recording golden frames and writing the bundle"):
        packing = Packing(
            run=run,
            rows=rows,
            files={name: _variant_file(name, content, quantized) for name, content in files.items()},
            golden_inputs=_golden_pictures(pictures.val),
            calibrated_on=(val[rows[0].variant], pictures.val_truth),
            provenance=_provenance(request, run, quantized, rows, before, len(pictures.calibration)),
            plan=quantized.plan if quantized else None,
        )
        manifest = pack(target, packing)
    return Conversion(target, manifest, rows, (*_notes(rows), *_doubts(request, len(pictures.val))))


def _variant_file(name: str, content: bytes, quantized: _Quantized | None) -> VariantFile:
    if quantized is None or not name.startswith("int8"):
        return VariantFile(content, None, ())
    return VariantFile(content, quantized.output_step, float_ops(format_of(name), content))


def _golden_pictures(val: Pixels, count: int = 8) -> Pixels:
    chosen: Pixels = val[_spread(len(val), count)]
    return chosen


def _require_recovery(request: ConvertRequest, after: float, before: float, pictures: int) -> None:
    if before - after > request.max_drop + 1e-9:
        raise BudgetError(
            f"a pruned network may lose {request.max_drop:g} points of top-1 (--max-drop), and this one lost "
            f"{before - after:.1f} of {before:.1f} % on {pictures} validation pictures (one picture is "
            f"{100 / pictures:.1f} points) before it was even quantized; nothing was written; try less --prune, more "
            "--prune-epochs, or allow a larger --max-drop"
        )


def _require_budget(request: ConvertRequest, accuracy: Mapping[str, float], before: float, pictures: int) -> None:
    drops = {name: before - top for name, top in accuracy.items() if name.startswith("int8")}
    if max(drops.values()) <= request.max_drop + 1e-9:
        return
    listed = ", ".join(f"{name} loses {drop:.1f}" for name, drop in drops.items())
    pruned = "less --prune or more --prune-epochs, " if request.prune else ""
    raise BudgetError(
        f"int8 may lose {request.max_drop:g} points of top-1 (--max-drop) against {before:.1f} % of the float network "
        f"on {pictures} validation pictures (one picture is {100 / pictures:.1f} points): {listed}; nothing was "
        f"written; try {pruned}more --calibration pictures, or allow a larger --max-drop"
    )


def _measure_rows(
    files: Mapping[str, bytes],
    classifiers: Mapping[str, Classifier],
    val: Mapping[str, Floats],
    accuracy: Mapping[str, float],
    pictures: _Pictures,
    run: Run,
) -> tuple[Row, ...]:
    has_test = len(pictures.test) > 0
    every = {
        name: np.concatenate([val[name], logits_of(classifier, pictures.test)]) if has_test else val[name]
        for name, classifier in classifiers.items()
    }
    milliseconds = measure_latency(classifiers, pictures.val[0])
    return tuple(
        Row(
            variant=name,
            bytes=len(content),
            val=accuracy[name],
            test=top1(every[name][len(pictures.val) :], pictures.test_truth) if has_test else None,
            agreement=agreement(every[name], every["float32-tflite"]),
            ms=milliseconds[name],
        )
        for name, content in files.items()
    )


def _notes(rows: tuple[Row, ...]) -> tuple[str, ...]:
    times = {row.variant: row.ms for row in rows}
    return tuple(
        f"{name} is no faster than float32 on this machine ({ms:.1f} ms against {times['float32-' + name[5:]]:.1f} ms)"
        for name, ms in times.items()
        if name.startswith("int8") and ms >= times["float32-" + name[5:]]
    )


def _doubts(request: ConvertRequest, pictures: int) -> Iterator[str]:
    step = 100 / pictures
    if (request.int8 or request.prune) and step > request.max_drop / 2:
        enough = round(200 / max(request.max_drop, 0.1))
        yield (
            f"accuracy was measured on {pictures} validation pictures, of which one is {step:.1f} points: too few to "
            f"tell a drop of {request.max_drop:g} (--max-drop); {enough} or more would do"
        )


def _provenance(
    request: ConvertRequest, run: Run, quantized: _Quantized | None, rows: tuple[Row, ...], before: float, pictures: int
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        # The folder as it was typed: where `hawklet verify` looks for the pictures.
        "run": {"folder": str(request.run), "weights_sha256": sha256_of(run.folder / BEST)},
        "architecture": run.model,
        "data": {key: run.manifest["data"].get(key) for key in ("digest", "counts")},
        "weights": run.manifest.get("weights"),
        "training_seed": run.manifest.get("seed"),
        "seed": request.seed,
        "prune": request.prune,
        "prune_epochs": request.prune_epochs if request.prune else 0,
        "target": request.target,
        "max_drop": request.max_drop,
        "float_val_top1": before,
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "conversion": [vars(row) for row in rows],
    }
    if quantized is not None:
        facts["quantization"] = {
            "method": quantized.plan.method,
            "calibration": pictures,
            "candidates": {name: vars(judged) for name, judged in quantized.judged.items()},
        }
    return facts
