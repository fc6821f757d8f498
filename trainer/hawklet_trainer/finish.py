"""The end of a training, whoever trained: a network is judged and its run folder completed.

``hawklet train`` ends here, and so does whatever else makes a network that is to be a run like any other (such as
pruning one).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from hawklet import __version__
from hawklet.errors import DataError
from hawklet.safefiles import write_text
from hawklet.spec import PreprocessSpec
from hawklet_trainer.augment.sheet import Sheet, choose, make_sheet
from hawklet_trainer.data import Photo, PhotoSet, Place, load_pixels
from hawklet_trainer.evaluation import report
from hawklet_trainer.evaluation.metrics import Metrics, probabilities_of
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.weights import LoadedWeights
from hawklet_trainer.run import ARGUMENTS, BEST, SCHEMA, Run, load_run, save_weights, versions, write_run
from hawklet_trainer.training.terms import EpochRecord, History, TrainConfig

RESULTS = "results.csv"
_NUMBERS = [field.name for field in fields(EpochRecord)][2:]
"""Columns of results.csv after the epoch and the phase."""
STARTED_WITH = "started_with"
"""Key of args.yaml below which stands what the options came to; not shown in the report."""
_CHUNK = 256


@dataclass(frozen=True)
class TrainResult:
    """What a training came to."""

    run: Run
    history: History
    val: Metrics
    test: Metrics | None
    """None where there are no test pictures."""
    seconds: float
    """Of the head and of all epochs."""


def finish_run(
    folder: Path,
    net: nn.Module,
    architecture: Architecture,
    photos: PhotoSet,
    spec: PreprocessSpec,
    zero_point: int,
    scale: float,
    config: TrainConfig,
    history: History,
    records: Sequence[EpochRecord],
    options: Mapping[str, Any],
    loaded: LoadedWeights,
    seconds: float,
    extra: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Judge a trained network on val and test, and write every file of its run; the manifest last.

    Args:
        folder: The run's; its name is the run's name. Made where it is not there.
        net: With its final weights, on the CPU; takes ``(pixel - zero_point) * scale``.
        architecture: What builds ``net`` again (see :func:`hawklet_trainer.models.architecture.channels_of`).
        photos: What it was trained on, with val pictures.
        spec: The preprocessing contract.
        zero_point: Pixel value that becomes 0.
        scale: ``x = (pixel - zero_point) * scale``.
        config: How it was trained.
        history: What its loop gave.
        records: Lines of results.csv.
        options: For args.yaml and the report; plain values.
        loaded: Where its first weights came from.
        seconds: What training took.
        extra: More keys of the manifest; they must not replace any.

    Raises:
        DataError: there are no val pictures.
        ValueError: ``extra`` has a key that a manifest has anyway.
    """
    save_weights(folder / BEST, net, zero_point, scale)
    write_arguments(folder, options)
    write_text(folder / RESULTS, results_csv(records))
    judged = {
        split: judge(net, photos.items(split), spec, zero_point, scale, photos.labels) if photos.items(split) else None
        for split in ("val", "test")
    }
    metrics = {split: result.metrics if result else None for split, result in judged.items()}
    val, test = metrics["val"], metrics["test"]
    if val is None:
        raise DataError("a run needs val pictures to be judged on")
    manifest = {
        "schema": SCHEMA,
        "name": folder.name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "hawklet_version": __version__,
        **architecture.to_manifest(),
        "labels": list(photos.labels),
        "preprocess": spec.to_dict(),
        "pixel_zero_point": zero_point,
        "pixel_scale": scale,
        "data": {"path": str(photos.folder), "digest": photos.digest, "counts": photos.counts()},
        "weights": asdict(loaded),
        "seed": config.seed,
        "training": _training(config, history, seconds),
        "metrics": {split: found.to_dict() if found else None for split, found in metrics.items()},
        "versions": versions(),
    }
    taken = sorted(manifest.keys() & (extra or {}).keys())
    if taken:
        raise ValueError(f"extra must not replace what a manifest says anyway, got {taken[0]!r}")
    manifest |= extra or {}
    shown = {key: value for key, value in options.items() if key != STARTED_WITH}
    sheet = _augmented(photos, spec, config)
    report.write(folder, report.Content(manifest, list(records), judged, photos.warnings, shown, sheet))
    write_run(folder, manifest, photos)
    return TrainResult(load_run(folder, architecture.model), history, val, test, seconds)


def _training(config: TrainConfig, history: History, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 1),
        "precision": history.precision,
        "best_epoch": history.best_epoch,
        "stopped_by": history.stopped_by,
        "config": plain(vars(config)),
    }


def _augmented(photos: PhotoSet, spec: PreprocessSpec, config: TrainConfig) -> Sheet:
    by_class: dict[str, list[Place]] = {}
    for photo in photos.items("train"):
        by_class.setdefault(photos.labels[photo.label_index], []).append(photo.place)
    return make_sheet(choose(by_class), spec, config.augment, config.flip, config.mix, config.seed)


def judge(
    net: nn.Module, photos: Sequence[Photo], spec: PreprocessSpec, zero_point: int, scale: float, labels: Sequence[str]
) -> report.Judged:
    """Measure a network on photos, at least one, a few hundred of them in memory at a time.

    Args:
        net: Takes ``float32 [N, 3, H, W]`` of ``(pixel - zero_point) * scale``, returns logits ``[N, C]``.
        photos: With label indices into ``labels``.
        spec: The preprocessing contract.
        zero_point: Pixel value that becomes 0.
        scale: ``x = (pixel - zero_point) * scale``.
        labels: C class names.
    """
    parts = []
    for begin in range(0, len(photos), _CHUNK):
        pixels, truth = load_pixels(photos[begin : begin + _CHUNK], spec)
        parts.append((probabilities_of(net, pixels, zero_point, scale), truth))
    return report.Judged.of(photos, parts, tuple(labels))


def write_arguments(folder: Path, options: Mapping[str, Any]) -> None:
    """Write args.yaml."""
    write_text(folder / ARGUMENTS, yaml.safe_dump(plain(options), sort_keys=False))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options as YAML and JSON have them: enums by value, paths as text."""
    return {key: _plain_value(value) for key, value in values.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def results_csv(records: Sequence[EpochRecord]) -> str:
    """One line per epoch; a loss that was not measured is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EpochRecord.__dataclass_fields__)
    for record in records:
        writer.writerow(_cell(value) for value in asdict(record).values())
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return str(value)


def read_results(text: str) -> list[EpochRecord]:
    """Read :func:`results_csv` back, to the digits that it keeps.

    Raises:
        ValueError: it is no such text.
        KeyError: it lacks a column.
    """
    return [
        EpochRecord(
            int(row["epoch"]),
            row["phase"],
            *(float(row[name] or math.nan) for name in _NUMBERS),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]
