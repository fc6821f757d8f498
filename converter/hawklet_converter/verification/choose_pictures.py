"""Which pictures a bundle is verified on, and whether its network was trained on them.

A run's own validation or test pictures, where the run is there; else labelled folders, and then what can be told of
their overlap with training is told.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawklet.bundle import Bundle
from hawklet.errors import DataError, HawkletError, RunError, UsageError
from hawklet.safefiles import sha256_of
from hawklet_converter.verification.request import VerifyRequest
from hawklet_converter.verification.unpruned_run import origin_of
from hawklet_trainer.data import Photo, read_labelled

if TYPE_CHECKING:
    from hawklet_trainer.run import Run

_SPLIT_WORDS = {"val": "validation", "test": "test"}


@dataclass(frozen=True)
class Pictures:
    """What is verified on."""

    photos: tuple[Photo, ...]
    folder: Path
    described: str
    """In plain words: how many, and what they are."""
    split: str | None
    """``val`` or ``test`` of the run; None: pictures of no run."""
    notes: tuple[str, ...] = ()
    """What a reader must know about them."""
    run: Run | None = None
    """The run that the bundle was converted from, where it is there."""


def choose_pictures(request: VerifyRequest, bundle: Bundle) -> Pictures:
    """Decide which pictures to verify on.

    Raises:
        UsageError: neither a run nor photos are there.
        RunError: the run is not the one that the bundle was converted from.
        DataError: the photos are missing, carry foreign labels, or were trained on.
    """
    run = _given_run(request.run, bundle, request.model) if request.run else _named_run(bundle, request.model)
    if request.photos and not (run and _holds_photos_of(run, request.photos)):
        return _labelled(request, request.photos, bundle, run)
    if run is None:
        raise UsageError(_nothing_to_verify_on(bundle))
    return _of_run(request, run)


def _nothing_to_verify_on(bundle: Bundle) -> str:
    named = _facts(bundle, "run").get("folder")
    seen = f"the run it names ({named}) is not there, or is another by now" if named else "it names no run"
    return (
        f"a bundle is verified on labelled pictures, which it does not carry, and {seen}; name the run with "
        "--run RUNFOLDER, or pictures in one folder per class with --photos FOLDER"
    )


def _given_run(folder: Path, bundle: Bundle, model: str | None) -> Run:
    from hawklet_trainer.run import load_run

    run = load_run(folder, model)
    _require_origin(run, bundle)
    return run


def _named_run(bundle: Bundle, model: str | None) -> Run | None:
    """The run that the bundle names, as seen from here or from beside the bundle; None where there is no such run."""
    named = _facts(bundle, "run").get("folder")
    places = [Path(named), bundle.path.parent / named] if isinstance(named, str) else []
    for place in places:
        try:
            return _given_run(place, bundle, model)
        except HawkletError:  # a hint: what stands there by that name today may be anything
            continue
    return None


def _facts(bundle: Bundle, group: str) -> Mapping[str, Any]:
    """A group of the bundle's provenance, whoever wrote it; empty where there is none."""
    facts = bundle.manifest.provenance.get(group)
    return facts if isinstance(facts, Mapping) else {}


def _require_origin(run: Run, bundle: Bundle) -> None:
    """Refuse a run of other labels, other data or another network."""
    digest = _facts(bundle, "data").get("digest")
    if run.labels != bundle.manifest.labels:
        raise RunError(
            f"--run must be the run that the bundle was converted from: the bundle's labels are "
            f"{_some(bundle.manifest.labels)}, the run's are {_some(run.labels)}; name that run"
        )
    if digest is None:
        raise RunError(
            f"--run must be the run that the bundle was converted from, and {bundle.path.name} names no data it was "
            "made with; verify it on labelled pictures alone: --photos FOLDER"
        )
    if digest != run.manifest["data"].get("digest"):
        raise RunError(
            f"--run must be the run that the bundle was converted from: the bundle's data digest is {digest}, that of "
            f"{run.folder} is {run.manifest['data'].get('digest')}; name that run, or other pictures by --photos alone"
        )
    _require_network(run, bundle)


def _require_network(run: Run, bundle: Bundle) -> None:
    from hawklet_trainer.run import BEST

    architecture, weights = bundle.manifest.provenance.get("architecture"), _facts(bundle, "run").get("weights_sha256")
    if architecture != run.architecture.describe():
        raise RunError(
            f"--run must be the run that the bundle was converted from: the bundle's network is {architecture}, the "
            f"run's is {run.architecture.describe()}; name that run"
        )
    if weights is None or not (run.folder / BEST).is_file():
        return
    found = sha256_of(run.folder / BEST)
    if found == (origin_of(bundle) or {}).get("weights_sha256"):
        raise RunError(
            "--run must be the run that the bundle was converted from, which is the pruned one "
            f"({_facts(bundle, 'run').get('folder')}); {run.folder} is the one it was cut from, and is found by itself"
        )
    if weights != found:
        raise RunError(
            f"--run must be the run that the bundle was converted from, and the weights in {run.folder} are others "
            "(sha256 differs), though of the same data; name that run, or convert this one anew"
        )


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")


def _of_run(request: VerifyRequest, run: Run) -> Pictures:
    split = request.split or "val"
    photos = run.photos(request.photos)
    chosen = photos.items(split)
    if not chosen:
        raise DataError(f"the run {run.folder} has no {split} pictures; leave --split {split} out, or give --photos")
    described = f"{len(chosen)} {_SPLIT_WORDS[split]} pictures of the run {run.name}"
    trained = {photo.sha256 for photo in photos.items("train")}
    copies = sum(photo.sha256 in trained for photo in chosen)
    notes = (f"{copies} of these pictures are in the training split too, which flatters the network",) if copies else ()
    return Pictures(tuple(chosen), photos.folder, described, split, (*_SPLIT_NOTES[split], *notes), run)


_SPLIT_NOTES = {
    "val": (
        "the conversion chose plan and temperature on these pictures, which flatters both a little; "
        "--split test shows pictures that decided nothing",
    ),
    "test": ("the test pictures were touched: whatever is changed because of what they show here, they test no more",),
}


def _labelled(request: VerifyRequest, folder: Path, bundle: Bundle, run: Run | None) -> Pictures:
    if request.split:
        raise UsageError(
            f"--split picks pictures of the run, got --split {request.split} with {folder}, which holds others; "
            "leave one of both out"
        )
    measured = read_labelled(folder, bundle.manifest.labels)
    photos, warnings = measured.photos, measured.warnings
    described = f"{len(photos)} pictures in {folder}"
    pictures = Pictures(photos, measured.folder, described, None, run=run)
    return replace(pictures, notes=(*warnings, *_coverage(pictures, bundle), *_overlap(pictures, request)))


def _coverage(pictures: Pictures, bundle: Bundle) -> tuple[str, ...]:
    shown = {photo.label_index for photo in pictures.photos}
    absent = [label for index, label in enumerate(bundle.manifest.labels) if index not in shown]
    if not absent:
        return ()
    return (f"{len(absent)} of {len(bundle.manifest.labels)} classes have no picture here: {_some(absent)}",)


def _overlap(pictures: Pictures, request: VerifyRequest) -> tuple[str, ...]:
    """What is known of these pictures' part in training.

    Raises:
        DataError: some were trained on, and nobody said that this is meant.
    """
    if pictures.run is None:
        return ("whether the network was trained on some of these pictures cannot be told without its run: --run",)
    splits = _splits_by_digest(pictures.run)
    trained = [photo for photo in pictures.photos if splits.get(photo.sha256) == "train"]
    judged = sum(splits.get(photo.sha256) == "val" for photo in pictures.photos)
    if trained and not request.anyway:
        raise DataError(
            f"a verification on pictures that the network was trained on proves nothing, and {len(trained)} of "
            f"{len(pictures.photos)} in {request.photos} are among them (the first: "
            f"{trained[0].place.name_below(pictures.folder)}); take others, or add --anyway"
        )
    flattered = f"the network was trained on {len(trained)} of these pictures, which flatters it" if trained else ""
    chosen = f"{judged} of these pictures are the run's validation pictures, which chose the plan" if judged else ""
    clean = "" if trained else f"none of these pictures, byte for byte, was trained on in {pictures.run.folder}"
    return tuple(note for note in (flattered, chosen, clean) if note)


def _splits_by_digest(run: Run) -> dict[str, str]:
    """Picture's sha256 -> the split it was in; a picture in several counts as trained on."""
    rows = sorted(_split_rows(run), key=lambda row: row["split"] == "train")
    return {row["sha256"]: row["split"] for row in rows}


def _holds_photos_of(run: Run, folder: Path) -> bool:
    """Whether the run's photos have moved to ``folder``: all are there by their names. Cameras reuse theirs, so some
    would prove nothing."""
    return all((folder.expanduser() / row["path"]).is_file() for row in _split_rows(run))


def _split_rows(run: Run) -> list[dict[str, str]]:
    try:
        text = (run.folder / "split.csv").read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"a run needs split.csv, there is none in {run.folder}; train again") from error
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or not {"path", "split", "sha256"} <= set(rows[0]):
        raise RunError(f"split.csv needs lines of path,label,split,sha256, which that of {run.folder} lacks")
    return rows
