"""One conversion from start to end: a run folder in, a verified bundle out."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.errors import BudgetError, BundleError, UsageError
from hawklet.safefiles import require_writable, sha256_of
from hawklet.spec import Floats, ModelFormat, Pixels, Precision
from hawklet_converter.collect_ranges import Distribution
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.judge import agreement
from hawklet_converter.latency_source import LatencySource, on_a_board, on_this_machine
from hawklet_converter.load_pictures import Pictures, load_pictures
from hawklet_converter.make_candidate import CandidateMaker, Judges
from hawklet_converter.make_plan import Evidence, PlanMaker, Planned, spread
from hawklet_converter.one_thread import one_thread
from hawklet_converter.pack import Packing, VariantFile, format_of, pack
from hawklet_converter.place_layers import movable_layers
from hawklet_converter.plan import LOWEST, ActivationQuant
from hawklet_converter.prune_channels import parameters, prune_channels
from hawklet_converter.recipes import recipes_named
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_converter.request import Conversion, ConvertRequest, Row, activations_for
from hawklet_converter.search import Found, SearchLimits, search
from hawklet_converter.search_store import SearchStore
from hawklet_converter.steps import Steps
from hawklet_converter.verify import logits_of, open_classifier, top1
from hawklet_converter.write_variants import Identity, float_ops, write_float
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.evaluate import accuracy_of
from hawklet_trainer.loop import EpochRecord, Progress, as_input, fine_tune
from hawklet_trainer.run import BEST, Run, load_run

FORMATS = (ModelFormat.TFLITE, ModelFormat.ONNX)
_LIBRARIES = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "onnx", "onnxruntime", "torch-pruning")


@dataclass(frozen=True)
class _Work:
    """What the steps of one conversion share."""

    request: ConvertRequest
    run: Run
    photos: PhotoSet
    pictures: Pictures
    target: Path
    steps: Steps

    @property
    def identity(self) -> Identity:
        run = self.run
        return Identity(run.name, run.labels, run.spec, run.pixel_zero_point, run.pixel_scale)

    def as_input(self, pixels: Pixels) -> torch.Tensor:
        return as_input(pixels, self.run.pixel_zero_point, self.run.pixel_scale)

    def accuracy(self, net: nn.Module) -> float:
        """Top-1 of a network on the validation pictures, percent."""
        known = self.pictures
        return accuracy_of(net, known.val, known.val_truth, self.run.pixel_zero_point, self.run.pixel_scale)

    def open(self, content: bytes, model_format: ModelFormat) -> Classifier:
        return open_classifier(content, model_format, self.run.labels, self.run.spec)

    @contextlib.contextmanager
    def latency(self) -> Iterator[LatencySource]:
        """Where files are timed."""
        request, picture = self.request, self.pictures.val[0]
        if request.measure_on is None:
            yield on_this_machine(picture, self.open)
            return
        with on_a_board(request.measure_on, picture, request.access, self.steps.note) as source:
            yield source


def convert(request: ConvertRequest, steps: Steps) -> Conversion:
    """Convert a run.

    Args:
        request: What to do.
        steps: Told about each step.

    Returns:
        Where the bundle is and what was measured.

    Raises:
        RunError: the run folder is incomplete.
        DataError: its photos are not there, or a class has no picture to calibrate on.
        ModelError: a step cannot handle the network.
        BudgetError: nothing that was tried keeps ``max_drop``; no bundle has been written.
    """
    if request.max_drop < 0:
        raise UsageError(f"--max-drop must be 0 or more points, got {request.max_drop:g}")
    recipes_named(request.recipe)
    activations_for(request.target)
    run = load_run(request.run)
    target = _require_place(request.output or Path(f"{run.name}.hawklet"))
    photos = run.photos(request.photos)
    with steps.step("reading pictures"):
        pictures = load_pictures(run, photos, request.calibration)
        net = run.build()
    work = _Work(request, run, photos, pictures, target, steps)
    reference: float | None = None
    if request.prune:
        reference = work.accuracy(net)
        with steps.step(f"pruning {request.prune:.0%} of the channels, {request.prune_epochs} epochs of recovery"):
            net = _prune(net, work)
        _require_recovery(work, work.accuracy(net), reference)
    with one_thread(), work.latency() as latency:
        return _convert_net(net, work, reference, latency)


def _require_place(target: Path) -> Path:
    """Refuse a place where no bundle can be written, or where something else is: now, not after an hour's work."""
    if target.suffix.lower() != ".hawklet":
        raise UsageError(f"-o names the bundle, NAME.hawklet, got {target}")
    if target.is_file():
        try:
            Bundle.open(target)
        except BundleError as error:
            raise UsageError(f"-o {target} is there and no bundle, so it is not replaced; name another") from error
    require_writable(target)
    return target


class _Recovery(Progress):
    """Says how far the recovery from pruning is."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def epoch(self, record: EpochRecord, net: nn.Module, best: bool) -> None:
        self._steps.note(f"epoch {record.epoch:2d}  val top-1 {record.val_top1:5.1f} %  {record.seconds:6.1f} s")


def _prune(net: nn.Module, work: _Work) -> nn.Module:
    request, run, steps = work.request, work.run, work.steps
    pruned = prune_channels(net, run.spec, request.prune)
    reestimate_batch_norm(pruned, work.as_input(work.pictures.calibration))
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
    history = fine_tune(pruned, work.photos, run.spec, zp, scale, config, teacher=net, progress=_Recovery(steps))
    steps.note(f"val top-1 {history.best_val_top1:.1f} % after recovery")
    return pruned


def _require_recovery(work: _Work, after: float, before: float) -> None:
    allowed, pictures = work.request.max_drop, len(work.pictures.val)
    if before - after > allowed + 1e-9:
        raise BudgetError(
            f"a pruned network may lose {allowed:g} points of top-1 (--max-drop), and this one lost "
            f"{before - after:.1f} of {before:.1f} % on {pictures} validation pictures (one picture is "
            f"{100 / pictures:.1f} points) before it was even quantized; nothing was written; try less --prune, more "
            "--prune-epochs, or allow a larger --max-drop"
        )


def _convert_net(net: nn.Module, work: _Work, reference: float | None, latency: LatencySource) -> Conversion:
    folded = fold_batch_norm(net).to(memory_format=torch.channels_last)
    inputs = work.as_input(work.pictures.calibration)
    with work.steps.step("exporting float32 TFLite and ONNX"):
        exports = export_float(folded, work.run.spec, inputs, FORMATS)
        float_files = {f: write_float(f, export, work.identity) for f, export in exports.items()}
        logits = {f: logits_of(work.open(content, f), work.pictures.val) for f, content in float_files.items()}
    float_logits = logits[ModelFormat.TFLITE]
    before = top1(float_logits, work.pictures.val_truth) if reference is None else reference
    found = None
    if work.request.quantizes:
        evidence = _evidence(folded, exports, inputs, work)
        judges = Judges(work.pictures.val, work.pictures.val_truth, float_logits, float_files, latency)
        found = _search(evidence, exports, judges, before, net, work)
    output_step = _output_step(found, folded)
    return _measure_and_pack(float_files, found, (output_step, before), latency, work)


def _evidence(
    folded: fx.GraphModule, exports: Mapping[ModelFormat, FloatExport], inputs: torch.Tensor, work: _Work
) -> Evidence:
    pixels = ActivationQuant(float(np.float32(work.run.pixel_scale)), work.run.pixel_zero_point + LOWEST)
    own: dict[str, Distribution] = {}
    for export in exports.values():
        own.update(export.own)
    return Evidence(
        net=folded,
        inputs=inputs,
        given={_input_node(folded): pixels},
        own=own,
        movable=movable_layers(folded, *(export.places for export in exports.values())),
        stored=frozenset(exports[ModelFormat.TFLITE].tensors.values()),
        seed=work.request.seed,
    )


def _search(
    evidence: Evidence,
    exports: Mapping[ModelFormat, FloatExport],
    judges: Judges,
    before: float,
    teacher: nn.Module,
    work: _Work,
) -> Found:
    request = work.request

    def train(planned: Planned, deadline: float) -> Planned:
        raise NotImplementedError

    activations = activations_for(request.target)
    maker = CandidateMaker(PlanMaker(evidence), exports, work.identity, activations, judges, train)
    limits = SearchLimits(before, request.max_drop, request.budget_s, request.prefer)
    store = SearchStore(work.target, _search_facts(work, judges), resume=request.resume)
    try:
        found = search(recipes_named(request.recipe), limits, maker, store, work.steps)
    except BudgetError as error:
        raise BudgetError(_refusal(work, before, str(error))) from error
    work.steps.note(f"taken: {found.chosen.recipe}: {found.chosen.method}")
    return found


def _search_facts(work: _Work, judges: Judges) -> dict[str, Any]:
    """What the candidates of a search depend on."""
    request = work.request
    return {
        "float_files": {f.value: len(content) for f, content in judges.float_files.items()},
        "reference": judges.reference.tobytes().hex()[:4096],
        "calibration": len(work.pictures.calibration),
        "data": work.photos.digest,
        "target": request.target,
        "seed": request.seed,
        "versions": _versions(),
    }


def _refusal(work: _Work, before: float, nearest: str) -> str:
    request, pictures = work.request, len(work.pictures.val)
    pruned = "less --prune or more --prune-epochs, " if request.prune else ""
    return (
        f"the files may lose {request.max_drop:g} points of top-1 (--max-drop) against {before:.1f} % of the float "
        f"network on {pictures} validation pictures (one picture is {100 / pictures:.1f} points); {nearest}; nothing "
        f"was written; try {pruned}more --calibration pictures, a longer --budget, or allow a larger --max-drop"
    )


def _input_node(net: fx.GraphModule) -> str:
    return str(next(node.name for node in net.graph.nodes if node.op == "placeholder"))


def _output_node(net: fx.GraphModule) -> str:
    output = next(node for node in net.graph.nodes if node.op == "output")
    return str(output.all_input_nodes[0].name)


def _output_step(found: Found | None, folded: fx.GraphModule) -> float:
    """One step of the integer logits' grid; 0 where there is none."""
    if found is None or found.chosen.plan is None:
        return 0.0
    return found.chosen.plan.activations[_output_node(folded)].scale


def _measure_and_pack(
    float_files: Mapping[ModelFormat, bytes],
    found: Found | None,
    measured: tuple[float, float],
    latency: LatencySource,
    work: _Work,
) -> Conversion:
    """Take the last measures and write; ``measured`` is the step of the integer logits and the float top-1."""
    output_step, before = measured
    files = {f"{Precision.FLOAT32.value}-{f.value}": content for f, content in float_files.items()}
    if found is not None:
        chosen = found.chosen
        files = {f"{chosen.precision.value}-{f.value}": content for f, content in chosen.files.items()} | files
    with work.steps.step("measuring every file on the test pictures, and its latency"):
        rows = _measure_rows(files, latency, work)
    notes = (*_notes(rows), *latency.doubts, *_doubts(work), *_left_out(found))
    with work.steps.step("recording golden frames and writing the bundle"):
        packing = Packing(
            run=work.run,
            rows=rows,
            files={name: _variant_file(name, content, output_step) for name, content in files.items()},
            golden_inputs=work.pictures.val[spread(len(work.pictures.val), _GOLDEN_PICTURES)],
            calibrated_on=(_val_logits(files[rows[0].variant], rows[0].variant, work), work.pictures.val_truth),
            provenance={**_provenance(work, found, rows, before), "latency": latency.where},
            plan=found.chosen.plan if found else None,
            notes=notes,
        )
        manifest = pack(work.target, packing)
    tried = tuple(candidate.to_row(before) for candidate in found.tried) if found else ()
    return Conversion(
        work.target, manifest, rows, (*_notes(rows), *latency.doubts, *_doubts(work), *_left_out(found)), tried
    )


_GOLDEN_PICTURES = 8


def _val_logits(content: bytes, name: str, work: _Work) -> Floats:
    return logits_of(work.open(content, format_of(name)), work.pictures.val)


def _variant_file(name: str, content: bytes, output_step: float) -> VariantFile:
    precision = Precision(name.rsplit("-", 1)[0])
    if precision is not Precision.INT8:
        return VariantFile(content, precision, 0.0, ())
    return VariantFile(content, precision, output_step, float_ops(format_of(name), content))


def _measure_rows(files: Mapping[str, bytes], latency: LatencySource, work: _Work) -> tuple[Row, ...]:
    pictures, has_test = work.pictures, len(work.pictures.test) > 0
    val = {name: _val_logits(content, name, work) for name, content in files.items()}
    every = val
    if has_test:
        seen = {name: logits_of(work.open(content, format_of(name)), pictures.test) for name, content in files.items()}
        every = {name: np.concatenate([val[name], seen[name]]) for name in files}
    times = latency.measure({name: (format_of(name), content) for name, content in files.items()})
    rows = tuple(
        Row(
            variant=name,
            bytes=len(content),
            val=top1(val[name], pictures.val_truth),
            test=top1(every[name][len(pictures.val) :], pictures.test_truth) if has_test else None,
            agreement=agreement(every[name], every["float32-tflite"]),
            ms=times.get(name),
        )
        for name, content in files.items()
    )
    return _in_order_of_preference(rows)


def _in_order_of_preference(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Smaller precisions first, unless a file is slower than the float32 file of its format."""
    return tuple(sorted(rows, key=lambda row: (_is_slower(row, rows), row.variant.startswith("float32"))))


def _is_slower(row: Row, rows: tuple[Row, ...]) -> bool:
    plain = next(other for other in rows if other.variant == f"float32-{format_of(row.variant).value}")
    return row.ms is not None and plain.ms is not None and row.ms > plain.ms


def _notes(rows: tuple[Row, ...]) -> Iterator[str]:
    for row in rows:
        if _is_slower(row, rows):
            plain = f"float32-{format_of(row.variant).value}"
            yield (
                f"{row.variant} is no faster than {plain} where it was measured, so that comes before it in the bundle"
            )


def _doubts(work: _Work) -> Iterator[str]:
    request, pictures = work.request, len(work.pictures.val)
    step = 100 / pictures
    if (request.quantizes or request.prune) and step > request.max_drop / 2:
        enough = round(200 / max(request.max_drop, 0.1))
        yield (
            f"accuracy was measured on {pictures} validation pictures, of which one is {step:.1f} points: too few to "
            f"tell a drop of {request.max_drop:g} (--max-drop); {enough} or more would do"
        )


def _left_out(found: Found | None) -> Iterator[str]:
    if found is not None and found.left_out:
        yield f"the time (--budget) ended before {len(found.left_out)} more could be tried"


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def _provenance(work: _Work, found: Found | None, rows: tuple[Row, ...], before: float) -> dict[str, Any]:
    request, run = work.request, work.run
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
        "versions": _versions(),
        "conversion": [vars(row) for row in rows],
    }
    if found is not None:
        facts["quantization"] = {
            "recipe": found.chosen.recipe,
            "method": found.chosen.method,
            "calibration": len(work.pictures.calibration),
            "float_layers": list(found.chosen.float_layers),
            "float_macs_share": found.chosen.float_macs_share,
            "budget_s": request.budget_s,
            "prefer": request.prefer.value,
            "tried": [candidate.to_row(before) for candidate in found.tried],
            "left_out": list(found.left_out),
        }
    return facts
