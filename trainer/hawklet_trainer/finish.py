"""The end of a training, whoever trained: a network is judged and its run folder completed.

``hawklet train`` ends here, and so does whatever else makes a network that is to be a run like any other (such as
pruning one).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
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
from hawklet_trainer.data import PhotoSet, Place
from hawklet_trainer.evaluation.analysis import Analysis, Scaling, analyse, scaling_of
from hawklet_trainer.evaluation.answers import Model, answer, network_model
from hawklet_trainer.evaluation.explaining import network_explainer
from hawklet_trainer.evaluation.metrics import Metrics
from hawklet_trainer.evaluation.training_report import TrainingReport, write_training_report
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.weights import LoadedWeights
from hawklet_trainer.run import ARGUMENTS, BEST, SCHEMA, Run, load_run, save_weights, versions, write_run
from hawklet_trainer.training.terms import EpochRecord, History, TrainConfig

RESULTS = "results.csv"
_NUMBERS = [column.name for column in fields(EpochRecord)][2:]
"""Columns of results.csv after the epoch and the phase."""
STARTED_WITH = "started_with"
"""Key of args.yaml below which stands what the options came to; not shown in the report."""


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


@dataclass(frozen=True)
class Trained:
    """A trained network, and what the files of its run say of it."""

    net: nn.Module
    """With its final weights, on the CPU; takes ``(pixel - zero_point) * scale``."""
    architecture: Architecture
    """What builds ``net`` again (see :func:`hawklet_trainer.models.architecture.channels_of`)."""
    photos: PhotoSet
    """What it was trained on, with val pictures."""
    spec: PreprocessSpec
    """The preprocessing contract."""
    zero_point: int
    """Pixel value that becomes 0."""
    scale: float
    """``x = (pixel - zero_point) * scale``."""
    config: TrainConfig
    """How it was trained."""
    history: History
    """What its loop gave."""
    records: Sequence[EpochRecord]
    """Lines of results.csv; what training took is the sum of their seconds."""
    options: Mapping[str, Any]
    """For args.yaml and the report; plain values."""
    loaded: LoadedWeights
    """Where its first weights came from."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More keys of the manifest; they must not replace any."""

    @property
    def seconds(self) -> float:
        """What training took."""
        return sum(record.seconds for record in self.records)

    @property
    def model(self) -> Model:
        """``net``, as a function of prepared pictures."""
        return network_model(self.net, self.zero_point, self.scale)


def finish_run(folder: Path, trained: Trained) -> TrainResult:
    """Judge a trained network on val and test, and write every file of its run; the manifest last.

    Args:
        folder: The run's; its name is the run's name. Made where it is not there.
        trained: What was trained, and how.

    Raises:
        DataError: there are no val pictures.
        ValueError: ``extra`` has a key that a manifest has anyway.
    """
    if not trained.photos.items("val"):
        raise DataError("a run needs val pictures to be judged on")
    save_weights(folder / BEST, trained.net, trained.zero_point, trained.scale)
    write_arguments(folder, trained.options)
    write_text(folder / RESULTS, results_csv(trained.records))
    scaling, val, test = _judge(trained)
    manifest = _manifest(folder, trained, scaling, {"val": val, "test": test})
    _write_report(folder, trained, manifest, {"val": val, "test": test})
    write_run(folder, manifest, trained.photos)
    run = load_run(folder, trained.architecture.model)
    return TrainResult(run, trained.history, val.metrics, test.metrics if test else None, trained.seconds)


def _judge(trained: Trained) -> tuple[Scaling | None, Analysis, Analysis | None]:
    """On val, which the temperature is fitted on, and on test, which it is not."""
    photos = trained.photos
    val = answer(trained.model, photos.items("val"), trained.spec, photos.labels)
    scaling = scaling_of(val)
    if not photos.items("test"):
        return scaling, analyse(val), None
    test = answer(trained.model, photos.items("test"), trained.spec, photos.labels)
    return scaling, analyse(val), analyse(test, scaling)


def _manifest(
    folder: Path, trained: Trained, scaling: Scaling | None, analyses: Mapping[str, Analysis | None]
) -> dict[str, Any]:
    photos = trained.photos
    manifest = {
        "schema": SCHEMA,
        "name": folder.name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "hawklet_version": __version__,
        **trained.architecture.to_manifest(),
        "labels": list(photos.labels),
        "preprocess": trained.spec.to_dict(),
        "pixel_zero_point": trained.zero_point,
        "pixel_scale": trained.scale,
        "data": {"path": str(photos.folder), "digest": photos.digest, "counts": photos.counts()},
        "weights": asdict(trained.loaded),
        "seed": trained.config.seed,
        "training": _training(trained),
        "scaling": scaling and asdict(scaling),
        "metrics": {split: found.figures() if found else None for split, found in analyses.items()},
        "notes": list(trained.history.notes),
        "versions": versions(),
    }
    taken = sorted(manifest.keys() & trained.extra.keys())
    if taken:
        raise ValueError(f"extra must not replace what a manifest says anyway, got {taken[0]!r}")
    return {**manifest, **trained.extra}


def _training(trained: Trained) -> dict[str, Any]:
    history = trained.history
    return {
        "seconds": round(trained.seconds, 1),
        "precision": history.precision,
        "best_epoch": history.best_epoch,
        "stopped_by": history.stopped_by,
        "config": plain(vars(trained.config)),
    }


def _write_report(
    folder: Path, trained: Trained, manifest: dict[str, Any], analyses: dict[str, Analysis | None]
) -> None:
    explain = network_explainer(trained.net, trained.spec, trained.zero_point, trained.scale)
    shown = {key: value for key, value in trained.options.items() if key != STARTED_WITH}
    sheet = _augmented(trained)
    write_training_report(
        folder, TrainingReport(manifest, trained.records, analyses, trained.photos.warnings, shown, sheet, explain)
    )


def _augmented(trained: Trained) -> Sheet:
    photos, config = trained.photos, trained.config
    by_class: dict[str, list[Place]] = {}
    for photo in photos.items("train"):
        by_class.setdefault(photos.labels[photo.label_index], []).append(photo.place)
    return make_sheet(choose(by_class), trained.spec, config.augment, config.flip, config.mix, config.seed)


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
    """Read :func:`results_csv` back, to the digits that it keeps; columns that an older hawklet lacked are NaN.

    Raises:
        ValueError: it is no such text.
        KeyError: it lacks the epochs, or their phases.
    """
    return [
        EpochRecord(
            int(row["epoch"]),
            row["phase"],
            *(float(row.get(name) or math.nan) for name in _NUMBERS),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]
