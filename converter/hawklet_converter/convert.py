"""One conversion from start to end: a run folder in, a verified bundle out."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from hawklet import __version__
from hawklet.acceptance import Acceptance
from hawklet.bundle import Bundle
from hawklet.errors import BudgetError, BundleError, RunError, UsageError
from hawklet.safefiles import require_writable
from hawklet.spec import ModelFormat, Precision
from hawklet_converter.against import Against
from hawklet_converter.collect_ranges import spread
from hawklet_converter.convert_pruned import convert_pruned
from hawklet_converter.fit_rejecting import Rejecting, fit_rejecting
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.gather_evidence import gather_evidence
from hawklet_converter.kept_work import digest_of
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.load_pictures import load_pictures
from hawklet_converter.make_candidate import CandidateMaker, Judges
from hawklet_converter.make_plan import Evidence, PlanMaker, Planned
from hawklet_converter.measure_rows import FileLogits, doubts_of, logits_by_file, measure_rows, notes_of, times_count
from hawklet_converter.pack import Packing, VariantFile, format_of, pack
from hawklet_converter.place_layers import held_layers
from hawklet_converter.provenance import library_versions, provenance_of
from hawklet_converter.recipes import recipes_named
from hawklet_converter.request import Conversion, ConvertRequest, layout_for
from hawklet_converter.search import Found, NothingKeptError, SearchLimits, search
from hawklet_converter.search_store import SearchStore
from hawklet_converter.steps import Steps
from hawklet_converter.table import search_table
from hawklet_converter.train_planned import train_planned
from hawklet_converter.verify import logits_of, top1
from hawklet_converter.work import Work, load_either
from hawklet_converter.write_variants import float_ops, write_float
from hawklet_trainer.data import SPLITS, PhotoSet
from hawklet_trainer.evaluation.temperature import fit_temperature
from hawklet_trainer.evaluation.unknown import UnknownPictures, read_unknown
from hawklet_trainer.run import MANIFEST
from hawklet_trainer.threads import one_thread

FORMATS = (ModelFormat.TFLITE, ModelFormat.ONNX)
_GOLDEN_PICTURES = 8
_SLACK_POINTS, _SLACK_PICTURES = 2.0, 3


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
    layout_for(request.target)
    work, net = _begin(request, steps)
    if request.prunes:
        with work.latency():
            pass  # a board that does not answer is told now, not after the epochs
        _require_known_accuracy(work, work.accuracy(net))
        return convert_pruned(net, work, _convert_run)
    return _convert_net(net, work, None)


def _begin(request: ConvertRequest, steps: Steps) -> tuple[Work, nn.Module]:
    """Read a run, its pictures and its network; refuse a place where no bundle can be written."""
    run = load_either(request.run, request)
    target = _require_place(request.output or Path(f"{run.name}.hawklet"))
    photos = run.photos(request.photos)
    with steps.step("reading pictures"):
        no_class = _no_class(request, photos)
        pictures = load_pictures(run, photos, request.calibration)
        net = run.build()
    return Work(request, run, photos, pictures, target, steps, torch.get_num_threads(), no_class), net


def _no_class(request: ConvertRequest, photos: PhotoSet) -> UnknownPictures | None:
    if request.rejecting.unknown is None:
        return None
    known = {photo.sha256: split for split in SPLITS for photo in photos.items(split)}
    return read_unknown(request.rejecting.unknown, photos.labels, known)


def _convert_run(request: ConvertRequest, steps: Steps, against: Against | None) -> Conversion:
    work, net = _begin(request, steps)
    return _convert_net(net, work, against)


def _require_known_accuracy(work: Work, top1_percent: float) -> None:
    """Refuse weights that do not do as the run says they did: they are not those that it wrote.

    The two may differ by what kernels of another machine round otherwise, not by more.
    """
    known = work.run.manifest.get("metrics", {}).get("val", {}).get("top1")
    slack = max(_SLACK_POINTS, _SLACK_PICTURES * 100 / len(work.pictures.val))
    if known is not None and abs(top1_percent - known) > slack:
        raise RunError(
            f"a run's weights must do as its {MANIFEST} says, {known:.1f} % on the validation pictures; those in "
            f"{work.run.folder} reach {top1_percent:.1f} %, so they are not the ones that were trained there; "
            "put them back, or train again"
        )


def require_recovery(work: Work, after: float, before: float) -> None:
    """Refuse a pruned network that lost more than the budget, before time is spent on quantizing it.

    Raises:
        BudgetError: it did; top-1 in percent.
    """
    allowed, pictures = work.request.max_drop, len(work.pictures.val)
    if before - after > allowed + 1e-9:
        raise BudgetError(
            f"a pruned network may lose {allowed:g} points of top-1 (--max-drop), and this one lost "
            f"{before - after:.1f} of {before:.1f} % on {pictures} validation pictures (one picture is "
            f"{100 / pictures:.1f} points) before it was even quantized; no bundle was written; try less --prune, more "
            "--prune-epochs, or allow a larger --max-drop"
        )


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


def _convert_net(net: nn.Module, work: Work, against: Against | None) -> Conversion:
    with one_thread(), work.latency() as latency:
        return _quantize(net, latency, work, against)


def _quantize(net: nn.Module, latency: LatencySource, work: Work, against: Against | None) -> Conversion:
    folded = fold_batch_norm(net).to(memory_format=torch.channels_last)
    inputs = work.as_input(work.pictures.calibration)
    with work.steps.step("exporting float32 TFLite and ONNX"):
        exports = export_float(folded, work.run.spec, inputs, FORMATS)
        float_files = {f: write_float(f, export, work.identity) for f, export in exports.items()}
        logits = {f: logits_of(work.open(content, f), work.pictures.val) for f, content in float_files.items()}
    float_logits = logits[ModelFormat.TFLITE]
    before = top1(float_logits, work.pictures.val_truth)
    _require_known_accuracy(work, before)
    if against is not None:
        require_recovery(work, before, against.top1)
        before = against.top1
    if work.request.quantizes:
        evidence = gather_evidence(folded, exports, inputs, work.identity, work.request.seed)
        judges = Judges(work.pictures.val, work.pictures.val_truth, float_logits, float_files, latency)
        store = SearchStore(work.target, _search_facts(folded, judges, work), resume=work.request.resume)
        maker = _maker(evidence, exports, judges, against.teacher if against else net, work)
        found = _search(maker, before, store, work)
        conversion = _measure_and_pack(
            float_files, found, (_output_step(found, folded), before), latency, work, against
        )
        store.discard()
        return conversion
    return _measure_and_pack(float_files, None, (0.0, before), latency, work, against)


def _maker(
    evidence: Evidence,
    exports: Mapping[ModelFormat, FloatExport],
    judges: Judges,
    teacher: nn.Module,
    work: Work,
) -> CandidateMaker:
    held = held_layers(*(export.places for export in exports.values()))

    def train(planned: Planned, deadline: float) -> Planned:
        stored = evidence.stored - set(planned.plan.float_nodes)
        return train_planned(planned, stored, held, teacher, deadline, work)

    layout = layout_for(work.request.target)
    return CandidateMaker(PlanMaker(evidence), exports, work.identity, layout, judges, train)


def _search(maker: CandidateMaker, before: float, store: SearchStore, work: Work) -> Found:
    request = work.request
    limits = SearchLimits(before, request.max_drop, request.budget_s, request.prefer, times_count(request))
    try:
        found = search(recipes_named(request.recipe), limits, maker, store, work.steps)
    except NothingKeptError as error:
        work.steps.table(search_table([candidate.to_row(before) for candidate in error.tried]))
        raise BudgetError(_refusal(work, before, str(error))) from error
    except KeyboardInterrupt:
        if store.count:
            work.steps.note(f"{store.count} finished candidates are kept in {store.folder}; --resume goes on with them")
        raise
    work.steps.note(f"taken: {found.chosen.recipe}: {found.chosen.method}")
    return found


def _search_facts(folded: fx.GraphModule, judges: Judges, work: Work) -> dict[str, Any]:
    """What the candidates of a search depend on, by the words that tell a user which of it has changed."""
    request = work.request
    layout = layout_for(request.target)
    return {
        "the network": digest_of(tensor.numpy() for tensor in folded.state_dict().values()),
        "its name, labels or preprocessing": repr(work.identity),
        "the pictures": work.photos.digest,
        "the float network's answers": digest_of([judges.reference]),
        "--calibration": len(work.pictures.calibration),
        "--target": [request.target, layout.activations.value, layout.stem_pixels],
        "--measure-on": request.measure_on or f"this machine, {platform.machine()}",
        "--seed": request.seed,
        "the versions": {"hawklet": __version__, **library_versions()},
    }


def _refusal(work: Work, before: float, nearest: str) -> str:
    request, pictures = work.request, len(work.pictures.val)
    return (
        f"the files may lose {request.max_drop:g} points of top-1 (--max-drop) against {before:.1f} % of the float "
        f"network on {pictures} validation pictures (one picture is {100 / pictures:.1f} points); {nearest}; nothing "
        f"was written; try more --calibration pictures, a longer --budget, or allow a larger --max-drop"
    )


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
    work: Work,
    against: Against | None,
) -> Conversion:
    """Take the last measures and write; ``measured`` is the step of the integer logits and the float top-1."""
    output_step, before = measured
    files = {f"{Precision.FLOAT32.value}-{f.value}": content for f, content in float_files.items()}
    if found is not None:
        chosen = found.chosen
        files = {f"{chosen.precision.value}-{f.value}": content for f, content in chosen.files.items()} | files
    with work.steps.step("measuring every file on the test pictures, and its latency"):
        logits = logits_by_file(files, work)
        rows = measure_rows(files, logits, latency, work)
        others = [candidate for candidate in found.tried if candidate is not found.chosen] if found else []
        pruning = {"pruning": against.conclude(files, rows, others, latency)} if against else {}
    preferred = rows[0].variant
    temperature = round(fit_temperature(logits[preferred].val, work.pictures.val_truth), 4)
    rejecting = _rejecting(files, logits, preferred, temperature, work)
    rules = {"rejecting": rejecting.to_dict()} if rejecting else {}
    notes = (*notes_of(rows, work.request), *latency.doubts, *doubts_of(work, against is not None), *_left_out(found))
    with work.steps.step("recording golden frames and writing the bundle"):
        packing = Packing(
            run=work.run,
            rows=rows,
            files={name: _variant_file(name, content, output_step) for name, content in files.items()},
            golden_inputs=work.pictures.val[spread(len(work.pictures.val), _GOLDEN_PICTURES)],
            temperature=temperature,
            acceptance=rejecting.figures.option.acceptance if rejecting else Acceptance(),
            provenance={**provenance_of(work, found, rows, before), "latency": latency.where, **pruning, **rules},
            plan=found.chosen.plan if found else None,
            notes=notes,
        )
        replaced = work.target.exists()
        manifest = pack(work.target, packing)
    tried = tuple(candidate.to_row(before) for candidate in found.tried) if found else ()
    notes = (*notes, *rules.get("rejecting", {}).get("notes", ()))
    return Conversion(work.target, manifest, rows, notes, tried, replaced=replaced)


def _rejecting(
    files: Mapping[str, bytes], logits: Mapping[str, FileLogits], preferred: str, temperature: float, work: Work
) -> Rejecting | None:
    if not work.request.rejecting.asked:
        return None
    with work.steps.step("fitting when to say nothing"):
        return fit_rejecting(files, logits, preferred, temperature, work)


def _variant_file(name: str, content: bytes, output_step: float) -> VariantFile:
    precision = Precision(name.rsplit("-", 1)[0])
    if precision is not Precision.INT8:
        return VariantFile(content, precision, 0.0, ())
    return VariantFile(content, precision, output_step, float_ops(format_of(name), content))


def _left_out(found: Found | None) -> Iterator[str]:
    if found is not None and found.left_out:
        yield f"the time (--budget) ended before {len(found.left_out)} more could be tried"
