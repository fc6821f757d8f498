"""One verification from start to end."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from hawklet import __version__
from hawklet.acceptance import Acceptance
from hawklet.bundle import Bundle, Manifest, Variant
from hawklet.errors import UsageError
from hawklet.golden import replay
from hawklet.spec import Floats, ModelFormat, OutputKind, Precision
from hawklet_converter.steps import Steps
from hawklet_converter.verification import statistics
from hawklet_converter.verification.answer_pictures import Answers, answer, network_model, variant_models
from hawklet_converter.verification.checks import budget_checks, digest_check, export_check, golden_check
from hawklet_converter.verification.choose_pictures import Pictures, choose_pictures
from hawklet_converter.verification.moved_pictures import Moved, most_moved
from hawklet_converter.verification.request import VerifyRequest
from hawklet_converter.verification.unpruned_run import unpruned_run
from hawklet_converter.verification.verification import (
    Check,
    ClassChange,
    Comparison,
    Measured,
    Pair,
    Verification,
)
from hawklet_trainer.evaluation.answers import Answers as LabelledAnswers
from hawklet_trainer.evaluation.bundle_origin import unpruned_origin
from hawklet_trainer.evaluation.intervals import wilson
from hawklet_trainer.evaluation.reject_option import Outcome, outcome

NETWORK = "network"
"""What the run's own network is called among the files."""
UNPRUNED = "unpruned"
"""What the network that a pruned one was cut from is called."""
_SAME = 1e-6  # points; below it, two shares of the same pictures are one


def verify(request: VerifyRequest, steps: Steps) -> tuple[Verification, Pictures]:
    """Verify a bundle.

    Args:
        request: What to do.
        steps: Told about each step.

    Returns:
        What was found, and the pictures it was found on.

    Raises:
        HawkletError: it cannot be verified, and why; a bundle that fails is no error.
    """
    bundle = Bundle.open(request.bundle)
    reference = reference_of(bundle)
    digests = digest_check(bundle)
    with steps.step("choosing and checking the pictures"):
        pictures = choose_pictures(request, bundle)
    if request.max_drop is not None and reference is None and pictures.run is None:
        raise UsageError("--max-drop counts from a float model, and this bundle has none; leave it out")
    with steps.step("replaying golden frames"):
        proofs = [digests, *(golden_check(replay(bundle, v.name, request.threads)) for v in bundle.manifest.variants)]
    with steps.step(f"running every file on {len(pictures.photos)} pictures"):
        answers, truth = _answers(bundle, pictures, request)
    return _judge(request, bundle, pictures, answers, truth, proofs), pictures


def reference_of(bundle: Bundle) -> Variant | None:
    """The float32 file that others are held against, TFLite before ONNX; None where there is none."""
    floats = {v.format: v for v in reversed(bundle.manifest.variants) if v.precision is Precision.FLOAT32}
    return floats.get(ModelFormat.TFLITE) or floats.get(ModelFormat.ONNX)


def _answers(
    bundle: Bundle, pictures: Pictures, request: VerifyRequest
) -> tuple[dict[str, Answers], statistics.Labels]:
    models = variant_models(bundle, request.threads)
    kinds = {variant.name: variant.output for variant in bundle.manifest.variants}
    for name, run in ((NETWORK, pictures.run), (UNPRUNED, unpruned_run(bundle, pictures.run, request.model))):
        if run is not None:
            models[name] = network_model(run)
            kinds[name] = OutputKind.LOGITS
    raw, truth = answer(models, pictures.photos, bundle.manifest.preprocess)
    return {name: Answers(name, outputs, kinds[name]) for name, outputs in raw.items()}, truth


def _judge(
    request: VerifyRequest,
    bundle: Bundle,
    pictures: Pictures,
    answers: Mapping[str, Answers],
    truth: statistics.Labels,
    proofs: list[Check],
) -> Verification:
    manifest = bundle.manifest
    variant = reference_of(bundle)
    reference = answers.get(variant.name if variant else NETWORK)
    rows = tuple(
        replace(_measure(bundle, one, reference, truth), accepted=_accepted(manifest, pictures, one))
        for one in answers.values()
    )
    exports = _exports(bundle, answers)
    before = answers.get(UNPRUNED, reference)
    counted = {before.name: 100 * float((before.named == truth).mean())} if before else {}
    judged = [_held_against(before, row, answers, manifest, truth) for row in rows if _may_have_lost(row, before)]
    allowed = manifest.provenance.get("max_drop") if request.max_drop is None else request.max_drop
    checks = (
        *proofs,
        *map(export_check, exports),
        *budget_checks(judged, counted, allowed if isinstance(allowed, (int, float)) else None),
    )
    return Verification(
        bundle=manifest.name,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        hawklet_version=__version__,
        labels=manifest.labels,
        pictures=len(truth),
        described=pictures.described,
        split=pictures.split,
        temperature=manifest.temperature,
        reference=reference.name if reference else None,
        rows=rows,
        pairs=(*_pairs(bundle, answers), *exports),
        moved=_moved(bundle, pictures, answers, reference, truth),
        checks=checks,
        notes=(
            *pictures.notes,
            *_notes(bundle, reference, before),
            *_unlike_the_record(bundle, pictures.split, rows),
        ),
    )


def _accepted(manifest: Manifest, pictures: Pictures, one: Answers) -> Outcome | None:
    if manifest.acceptance == Acceptance():
        return None
    labelled = LabelledAnswers(pictures.photos, manifest.labels, one.raw, one.output)
    return outcome(manifest.acceptance, labelled, manifest.temperature)


def _may_have_lost(row: Measured, before: Answers | None) -> bool:
    """All files but float ones, and those too where they were cut from a larger network."""
    pruned = before is not None and before.name == UNPRUNED
    return row.bytes is not None and (row.precision is not Precision.FLOAT32 or pruned)


def _held_against(
    before: Answers | None,
    row: Measured,
    answers: Mapping[str, Answers],
    manifest: Manifest,
    truth: statistics.Labels,
) -> Measured:
    """A file compared with what its drop counts from, where that is the unpruned network."""
    if before is None or before.name != UNPRUNED:
        return row
    against = _compare(before, answers[row.name], truth, manifest.labels, manifest.temperature)
    return replace(row, against=against)


def _notes(bundle: Bundle, reference: Answers | None, before: Answers | None) -> tuple[str, ...]:
    if reference is None or before is None:
        return ("the bundle has no float file, so there is nothing that its files could have moved from",)
    origin = unpruned_origin(bundle)
    if origin is None:
        return ()
    folder = origin.get("folder")
    if before.name == UNPRUNED:
        return (f"channels were pruned away: drops count from the unpruned network, that of the run {folder}",)
    return (
        f"channels were pruned away, and the unpruned run ({folder}) is not here as it was then: drops count from the "
        f"pruned network ({reference.name}), and what pruning lost is not among them",
    )


def _unlike_the_record(bundle: Bundle, split: str | None, rows: tuple[Measured, ...]) -> Iterator[str]:
    """What the conversion measured on the very same pictures, where it comes out otherwise here."""
    measured = {row.name: row.top1 for row in rows}
    record = bundle.manifest.provenance.get("conversion")
    entries = record if split and isinstance(record, list) else []
    for entry in (entry for entry in entries if isinstance(entry, Mapping)):
        name, before = entry.get("variant"), entry.get(split)
        if name in measured and isinstance(before, float) and abs(before - measured[name]) > _SAME:
            yield (
                f"the conversion measured {before:.1f} % for {name} on these pictures, here it is "
                f"{measured[name]:.1f} %: other processors and library versions round otherwise"
            )


def _measure(bundle: Bundle, one: Answers, reference: Answers | None, truth: statistics.Labels) -> Measured:
    right = one.named == truth
    variant = next((v for v in bundle.manifest.variants if v.name == one.name), None)
    temperature = bundle.manifest.temperature
    return Measured(
        name=one.name,
        precision=variant.precision if variant else Precision.FLOAT32,
        bytes=variant.bytes if variant else None,
        top1=100 * float(right.mean()),
        interval=wilson(int(right.sum()), len(truth)),
        uncalibrated=statistics.calibration(one.logs(1.0), truth),
        calibrated=statistics.calibration(one.logs(temperature), truth),
        against=None
        if reference is None or reference is one
        else _compare(reference, one, truth, bundle.manifest.labels, temperature),
    )


def _compare(
    reference: Answers, one: Answers, truth: statistics.Labels, labels: tuple[str, ...], temperature: float
) -> Comparison:
    before, after = reference.named == truth, one.named == truth
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    both_logits = reference.output is one.output is OutputKind.LOGITS
    return Comparison(
        reference=reference.name,
        agreement=100 * float((reference.named == one.named).mean()),
        drop=100 * (lost - gained) / len(truth),
        lost=lost,
        gained=gained,
        p_value=statistics.mcnemar(lost, gained),
        divergence=statistics.divergence(reference.logs(temperature), one.logs(temperature)),
        logits=statistics.logit_error(reference.raw, one.raw) if both_logits else None,
        classes=_classes(reference.named, one.named, truth, labels),
    )


def _classes(
    before: statistics.Labels, after: statistics.Labels, truth: statistics.Labels, labels: tuple[str, ...]
) -> tuple[ClassChange, ...]:
    return tuple(
        ClassChange(
            label=label,
            pictures=int((truth == index).sum()),
            reference=100 * float((before[truth == index] == index).mean()),
            variant=100 * float((after[truth == index] == index).mean()),
            reference_named=int((before == index).sum()),
            variant_named=int((after == index).sum()),
        )
        for index, label in enumerate(labels)
        if (truth == index).any()
    )


def _pairs(bundle: Bundle, answers: Mapping[str, Answers]) -> tuple[Pair, ...]:
    """TFLite against ONNX, for every precision that the bundle has in both."""
    found: dict[Precision, dict[ModelFormat, str]] = {}
    for variant in bundle.manifest.variants:
        found.setdefault(variant.precision, {}).setdefault(variant.format, variant.name)
    return tuple(
        _pair(answers[names[ModelFormat.TFLITE]], answers[names[ModelFormat.ONNX]])
        for names in found.values()
        if len(names) == len(ModelFormat)
    )


def _exports(bundle: Bundle, answers: Mapping[str, Answers]) -> tuple[Pair, ...]:
    """Every float32 file against the run's network, where that is here."""
    if NETWORK not in answers:
        return ()
    floats = [v.name for v in bundle.manifest.variants if v.precision is Precision.FLOAT32]
    return tuple(_pair(answers[NETWORK], answers[name]) for name in floats)


def _pair(first: Answers, second: Answers) -> Pair:
    difference = float(np.abs(first.raw - second.raw).max())
    return Pair(
        first.name,
        second.name,
        agreement=100 * float((first.named == second.named).mean()),
        largest_difference=difference,
        relative=difference / (_range(first.raw) or 1.0),
    )


def _range(raw: Floats) -> float:
    return float(np.ptp(raw))


def _moved(
    bundle: Bundle,
    pictures: Pictures,
    answers: Mapping[str, Answers],
    reference: Answers | None,
    truth: statistics.Labels,
) -> tuple[Moved, ...]:
    others = {v.name: answers[v.name] for v in bundle.manifest.variants if v.precision is not Precision.FLOAT32}
    if reference is None or not others:
        return ()
    temperature = bundle.manifest.temperature
    return most_moved(
        reference.logs(temperature),
        {name: one.logs(temperature) for name, one in others.items()},
        truth,
        bundle.manifest.labels,
        [photo.place.name_below(pictures.folder) for photo in pictures.photos],
    )
