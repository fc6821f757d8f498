"""One training from start to end: photos and options in, run folder out."""

from __future__ import annotations

import csv
import ctypes
import io
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from hawklet import __version__
from hawklet.errors import UsageError
from hawklet.safefiles import write_text
from hawklet.spec import Fit, PreprocessSpec
from hawklet_trainer import report
from hawklet_trainer.data import PhotoSet, load_pixels, read_photos
from hawklet_trainer.evaluate import Metrics, probabilities_of
from hawklet_trainer.head import train_head
from hawklet_trainer.loop import EpochRecord, History, Progress, TrainConfig, fine_tune, seed_everything
from hawklet_trainer.models import DEFAULT_MODEL, ModelEntry, head_of, model_entry
from hawklet_trainer.run import (
    BEST,
    LAST,
    SCHEMA,
    Run,
    load_run,
    new_run_folder,
    run_name,
    save_weights,
    versions,
    write_run,
)
from hawklet_trainer.weights import LoadedWeights, load_pretrained, require_file

_STRIDE = 32
"""Every network here halves its input five times."""
_FEW_PHOTOS = 5000
"""With fewer training pictures the statistics of pretrained batch norms are better than new ones."""


@dataclass(frozen=True)
class TrainOptions:
    """What ``hawklet train`` is asked for; the loop's part is :class:`~hawklet_trainer.loop.TrainConfig`."""

    photos: Path
    model: str = DEFAULT_MODEL
    weights: str = "pretrained"
    """``pretrained``, ``none`` or a file."""
    out: Path = Path("runs")
    name: str | None = None
    """Name of the run; by default PHOTOS' folder and the model."""
    imgsz: int | None = None
    """Input side in pixels, a multiple of 32; by default the model's own."""
    fit: Fit = Fit.CROP
    crop_fraction: float | None = None
    """Share of the picture that the model sees; by default the model's own."""
    config: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class TrainResult:
    """What a training came to."""

    run: Run
    history: History
    val: Metrics
    test: Metrics | None
    """None where there are no test pictures."""
    seconds: float
    """Wall time of head and fine-tuning."""


def train_run(
    options: TrainOptions, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None
) -> TrainResult:
    """Train a classifier and write its run folder.

    Args:
        options: What to do.
        progress: Watches the loop and may stop it.
        say: Called with one line for each thing worth knowing.

    Raises:
        DataError: the photos cannot be trained on.
        WeightsError: the pretrained weights cannot be had.
        UsageError: an option cannot be meant.
    """
    entry = model_entry(options.model)
    spec = _spec(options, entry)
    name = run_name(options.name, options.photos, entry.name)
    if options.weights not in ("pretrained", "none"):
        require_file(Path(options.weights))
    seed_everything(options.config.seed)
    keep_freed_memory()
    say(f"checking the pictures in {options.photos}")
    photos = read_photos(options.photos, options.config.seed)
    for warning in photos.warnings:
        say(f"warning: {warning}")
    say(_describe(photos))
    net = entry.build(len(photos.labels), spec.height, spec.width)
    loaded = load_pretrained(net, entry, options.weights, say)
    say(f"{entry.name}, weights: {loaded.source}")
    config = _settled(options, loaded, photos)
    folder = new_run_folder(options.out, name)
    say(f"run folder: {folder}")

    recorder = _Recorder(folder, entry, progress or Progress())
    start = time.perf_counter()
    try:
        history = _train(net, entry, photos, spec, config, recorder, say)
    finally:
        recorder.close()
    seconds = time.perf_counter() - start
    save_weights(folder / BEST, net, entry.zero_point, entry.scale)
    write_text(folder / "args.yaml", yaml.safe_dump(_plain(options, config), sort_keys=False))
    judged = {split: _judge(net, photos, split, spec, entry) for split in ("val", "test")}
    metrics = {split: result.metrics if result else None for split, result in judged.items()}
    manifest = _manifest(folder.name, entry, photos, spec, loaded, config, metrics, history, seconds)
    report.write(folder, report.Content(manifest, recorder.records, judged, photos.warnings, _plain(options, config)))
    write_run(folder, manifest, photos)
    val, test = metrics["val"], metrics["test"]
    assert val is not None  # noqa: S101 -- read_photos refuses a set without val pictures
    return TrainResult(load_run(folder), history, val, test, seconds)


def _spec(options: TrainOptions, entry: ModelEntry) -> PreprocessSpec:
    side = options.imgsz or entry.side
    if side % _STRIDE or side < _STRIDE:
        near = max(_STRIDE, round(side / _STRIDE) * _STRIDE)
        raise UsageError(f"--imgsz must be a multiple of {_STRIDE}, got {side}; set --imgsz {near}")
    if options.fit is Fit.SQUASH and options.crop_fraction is not None:
        raise UsageError("--fit squash takes the whole picture; leave --crop-fraction out, or say --fit crop")
    fraction = entry.crop_fraction if options.crop_fraction is None else options.crop_fraction
    return PreprocessSpec(side, side, options.fit, fraction if options.fit is Fit.CROP else 1.0)


def _describe(photos: PhotoSet) -> str:
    counts = ", ".join(f"{split} {count}" for split, count in photos.counts().items())
    return f"{len(photos.labels)} classes, pictures: {counts}"


def _settled(options: TrainOptions, loaded: LoadedWeights, photos: PhotoSet) -> TrainConfig:
    """The loop's configuration with what depends on weights and data filled in."""
    pretrained = loaded.source != "none"
    few = len(photos.items("train")) < _FEW_PHOTOS
    changes: dict[str, Any] = {"freeze_batch_norm": pretrained and few}
    if not pretrained:
        changes["head_epochs"] = 0  # random features are not worth a head
    if options.config.batch == 1 and not changes["freeze_batch_norm"]:
        raise UsageError(
            "--batch must be 2 or more here: batch norms, which are trained too, learn nothing of one picture"
        )
    return TrainConfig(**{**vars(options.config), **changes})


def _train(
    net: nn.Module,
    entry: ModelEntry,
    photos: PhotoSet,
    spec: PreprocessSpec,
    config: TrainConfig,
    progress: Progress,
    say: Callable[[str], None],
) -> History:
    pixel = (entry.zero_point, entry.scale)
    history = History()
    if config.head_epochs:
        history = train_head(net, head_of(net, entry), photos, spec, *pixel, config, progress)
        say(f"head on cached features: val {history.best_val_top1:.1f} %")
    if config.epochs and not progress.should_stop():
        history = fine_tune(net, photos, spec, *pixel, config, progress=progress)
        say(f"fine-tuned in {history.precision}; best epoch {history.best_epoch}, ended by {history.stopped_by}")
    return history


class _Recorder(Progress):
    """Writes the run's files while the loop runs, and passes everything on to who watches."""

    def __init__(self, folder: Path, entry: ModelEntry, watcher: Progress):
        self.folder = folder
        self.entry = entry
        self.watcher = watcher
        self.records: list[EpochRecord] = []
        self.board = SummaryWriter(str(folder))

    def phase(self, title: str, steps: int) -> None:
        self.watcher.phase(title, steps)

    def step(self, loss: float) -> None:
        self.watcher.step(loss)

    def should_stop(self) -> bool:
        return self.watcher.should_stop()

    def epoch(self, record: EpochRecord, net: nn.Module, best: bool) -> None:
        if not (record.phase == "fine-tune" and record.epoch == 0 and self.records):  # already there as the head's
            self.records.append(record)
            write_text(self.folder / "results.csv", results_csv(self.records))
            self._to_board(record)
        save_weights(self.folder / LAST, net, self.entry.zero_point, self.entry.scale)
        if best:
            save_weights(self.folder / BEST, net, self.entry.zero_point, self.entry.scale)
        self.watcher.epoch(record, net, best)

    def _to_board(self, record: EpochRecord) -> None:
        values = {
            "loss/train": record.train_loss,
            "loss/val": record.val_loss,
            "top1/val": record.val_top1,
            "lr": record.lr,
        }
        for name, value in values.items():
            if math.isfinite(value):
                self.board.add_scalar(name, value, record.epoch)

    def close(self) -> None:
        self.board.close()


def results_csv(records: list[EpochRecord]) -> str:
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


def _judge(
    net: nn.Module, photos: PhotoSet, split: str, spec: PreprocessSpec, entry: ModelEntry
) -> report.Judged | None:
    items = photos.items(split)
    if not items:
        return None
    parts, chunk = [], 256  # so that a large split is never in memory as a whole
    for begin in range(0, len(items), chunk):
        pixels, truth = load_pixels(items[begin : begin + chunk], spec)
        parts.append((probabilities_of(net, pixels, entry.zero_point, entry.scale), truth))
    return report.Judged.of(items, parts, photos.labels)


def _plain(options: TrainOptions, config: TrainConfig) -> dict[str, Any]:
    merged = {**vars(options), **vars(config)}
    del merged["config"]
    return {key: _plain_value(value) for key, value in merged.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _manifest(
    name: str,
    entry: ModelEntry,
    photos: PhotoSet,
    spec: PreprocessSpec,
    loaded: LoadedWeights,
    config: TrainConfig,
    metrics: dict[str, Metrics | None],
    history: History,
    seconds: float,
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "hawklet_version": __version__,
        "model": entry.name,
        "labels": list(photos.labels),
        "preprocess": spec.to_dict(),
        "pixel_zero_point": entry.zero_point,
        "pixel_scale": entry.scale,
        "data": {"path": str(photos.folder), "digest": photos.digest, "counts": photos.counts()},
        "weights": asdict(loaded),
        "seed": config.seed,
        "training": {
            "seconds": round(seconds, 1),
            "precision": history.precision,
            "best_epoch": history.best_epoch,
            "stopped_by": history.stopped_by,
            "config": {key: _plain_value(value) for key, value in vars(config).items()},
        },
        "metrics": {split: found.to_dict() if found else None for split, found in metrics.items()},
        "versions": versions(),
    }


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks for the next step instead of returning them to the system.

    Every step allocates the same activations again; without this the kernel clears the same pages each time (measured:
    5-47 % of a MobileNet's training speed). Other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
