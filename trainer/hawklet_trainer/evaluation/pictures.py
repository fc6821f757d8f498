"""Which pictures a model is measured on, and what part they had in making it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hawklet.errors import DataError, UsageError
from hawklet.spec import OutputKind
from hawklet_trainer.data import Photo, read_labelled
from hawklet_trainer.evaluation.absent_classes import absent_classes
from hawklet_trainer.evaluation.subject import Subject
from hawklet_trainer.run import Run
from hawklet_trainer.split_file import splits_by_digest

_WAY_OUT = "say where they are now: hawklet evaluate RUN PHOTOS --split SPLIT"


@dataclass(frozen=True)
class Pictures:
    """What is measured on."""

    title: str
    """``val``, ``test``, ``train``, or the photo folder."""
    photos: tuple[Photo, ...]
    warnings: tuple[str, ...] = ()
    """One line for each picture that was left out."""
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know."""
    validation: tuple[Photo, ...] = ()
    """The run's validation pictures, where they are at hand: what a model without a temperature gets one of."""
    hold_validation: bool = False
    """Whether validation pictures are among them, on which a temperature is fitted."""


def choose_pictures(subject: Subject, photos: Path | None, split: str | None) -> Pictures:
    """Find them.

    Args:
        subject: What is measured.
        photos: Without ``split``, a folder with one folder of pictures per class. With it, where the run's own photos
            are now.
        split: ``train``, ``val`` or ``test``; by default test, or val where there are no test pictures.

    Raises:
        DataError: there are no such pictures, or they were changed.
        UsageError: a bundle is to be measured on pictures that nobody named.
    """
    if photos is not None and split is None:
        return _labelled(subject, photos)
    if subject.run is None:
        raise UsageError(
            f"a bundle carries no labelled pictures, and the run that {subject.name} was converted from is not at hand "
            f"({subject.run_absent}); name a folder with one folder of pictures per class: hawklet evaluate "
            "BUNDLE PHOTOS"
        )
    return _of_run(subject.run, photos, split)


def _labelled(subject: Subject, folder: Path) -> Pictures:
    found = read_labelled(folder, subject.labels)
    absent = absent_classes(subject.labels, found.photos)
    if subject.run is None:
        unknown = (
            "whether the model was made with some of these pictures cannot be told without its run "
            f"({subject.run_absent})"
        )
        return Pictures(str(folder), found.photos, found.warnings, (*absent, unknown))
    split_of = splits_by_digest(subject.run.folder)
    splits = [split_of.get(photo.sha256) for photo in found.photos]
    flattering = [
        f"{splits.count(split)} of these pictures were {part}, which flatters the model"
        for split, part in (("train", "trained on"), ("val", "its validation pictures"))
        if split in splits
    ]
    held = "val" in splits
    validation = () if held else _validation(subject, subject.run)
    return Pictures(str(folder), found.photos, found.warnings, (*absent, *flattering), validation, hold_validation=held)


def _validation(subject: Subject, run: Run) -> tuple[Photo, ...]:
    """What a temperature can be fitted on, where the model needs one and the run's photos are still as they were."""
    if subject.scaling is not None or subject.output is not OutputKind.LOGITS:
        return ()
    try:
        return tuple(run.photos().items("val"))
    except DataError:  # other pictures were asked for: these would only have added to their figures
        return ()


def _of_run(run: Run, place: Path | None, split: str | None) -> Pictures:
    photos = run.photos(place, _WAY_OUT)
    counts = photos.counts()
    split = split or ("test" if counts["test"] else "val")
    if not counts[split]:
        has = ", ".join(name for name, count in counts.items() if count)
        raise DataError(f"the run {run.name} has no {split} pictures to measure on; it has --split {has}")
    notes = (*absent_classes(run.labels, photos.items(split)), *_notes(split))
    validation = tuple(photos.items("val"))
    return Pictures(split, tuple(photos.items(split)), (), notes, validation, hold_validation=split == "val")


def _notes(split: str) -> tuple[str, ...]:
    if split == "test":
        return ()
    if split == "train":
        return ("the model was trained on these pictures, so the figures say nothing of others",)
    return ("these pictures chose the epoch that was kept, which flatters the model a little",)
