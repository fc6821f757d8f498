"""Which pictures a bundle is verified on, and whether its network was trained on them.

A run's own validation or test pictures, where the run is there; else labelled folders, and then what can be told of
their overlap with training is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hawklet.bundle import Bundle
from hawklet.errors import DataError, UsageError
from hawklet_converter.verification.request import VerifyRequest
from hawklet_trainer.data import Photo, read_labelled
from hawklet_trainer.evaluation.absent_classes import absent_classes
from hawklet_trainer.evaluation.bundle_origin import NamedRun, given_run, named_run
from hawklet_trainer.split_file import split_rows, splits_by_digest

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
    origin = _origin(request, bundle)
    run = origin.run
    if request.photos and not (run and _holds_photos_of(run, request.photos)):
        return _labelled(request, request.photos, bundle, origin)
    if run is None:
        raise UsageError(
            "a bundle is verified on labelled pictures, which it does not carry, and the run that it was converted "
            f"from is not at hand ({origin.absent}); name the run with --run RUNFOLDER, or pictures in one folder per "
            "class with --photos FOLDER"
        )
    return _of_run(request, run)


def _origin(request: VerifyRequest, bundle: Bundle) -> NamedRun:
    if request.run:
        return NamedRun(given_run(request.run, bundle, request.model))
    return named_run(bundle, request.model)


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


def _labelled(request: VerifyRequest, folder: Path, bundle: Bundle, origin: NamedRun) -> Pictures:
    if request.split:
        raise UsageError(
            f"--split picks pictures of the run, got --split {request.split} with {folder}, which holds others; "
            "leave one of both out"
        )
    measured = read_labelled(folder, bundle.manifest.labels)
    photos, warnings = measured.photos, measured.warnings
    described = f"{len(photos)} pictures in {folder}"
    pictures = Pictures(photos, measured.folder, described, None, run=origin.run)
    overlap = _overlap(pictures, request, origin)
    return replace(pictures, notes=(*warnings, *absent_classes(bundle.manifest.labels, photos), *overlap))


def _overlap(pictures: Pictures, request: VerifyRequest, origin: NamedRun) -> tuple[str, ...]:
    """What is known of these pictures' part in training.

    Raises:
        DataError: some were trained on, and nobody said that this is meant.
    """
    if origin.run is None:
        unknown = "whether the network was trained on some of these pictures cannot be told without its run"
        return (f"{unknown} ({origin.absent}): --run",)
    splits = splits_by_digest(origin.run.folder)
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
    clean = "" if trained else f"none of these pictures, byte for byte, was trained on in {origin.run.folder}"
    return tuple(note for note in (flattered, chosen, clean) if note)


def _holds_photos_of(run: Run, folder: Path) -> bool:
    """Whether the run's photos have moved to ``folder``: all are there by their names. Cameras reuse theirs, so some
    would prove nothing."""
    return all((folder.expanduser() / row["path"]).is_file() for row in split_rows(run.folder))
