"""One training from start to end: photos and options in, run folder out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.tensorboard import SummaryWriter

from hawklet.errors import UsageError
from hawklet.safefiles import write_text
from hawklet.spec import Fit, PreprocessSpec
from hawklet_trainer.data import Loading, PhotoSet, read_photos
from hawklet_trainer.data.importing import for_training
from hawklet_trainer.finish import (
    RESULTS,
    STARTED_WITH,
    TrainResult,
    finish_run,
    plain,
    read_results,
    results_csv,
    write_arguments,
)
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.registry import DEFAULT_MODEL, ModelEntry, head_of, model_entry
from hawklet_trainer.models.weights import LoadedWeights, load_pretrained, require_file
from hawklet_trainer.run import BEST, LAST, STATE, new_run_folder, resume_command, run_name, save_weights, write_photos
from hawklet_trainer.training.freed_memory import keep_freed_memory
from hawklet_trainer.training.head import train_head
from hawklet_trainer.training.loop import fine_tune, seed_everything
from hawklet_trainer.training.terms import EpochRecord, History, Progress, Step, TrainConfig

_FEW_PHOTOS = 5000
"""With fewer training pictures the statistics of pretrained batch norms are better than new ones."""


@dataclass(frozen=True)
class TrainOptions:
    """What ``hawklet train`` is asked for; the loop's part is :class:`~hawklet_trainer.training.loop.TrainConfig`."""

    photos: Path
    model: str = DEFAULT_MODEL
    width: float = 1.0
    """Width multiplier, for the families that have one."""
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
    loading: Loading = field(default_factory=Loading)


@dataclass(frozen=True)
class Training:
    """What a training is once its options are settled: all that it needs to begin, or to begin again."""

    architecture: Architecture
    photos: PhotoSet
    spec: PreprocessSpec
    zero_point: int
    """Pixel value that becomes 0."""
    scale: float
    """``x = (pixel - zero_point) * scale``."""
    config: TrainConfig
    loaded: LoadedWeights
    """Where the first weights came from."""
    options: dict[str, Any]
    """What was asked for, as args.yaml has it."""
    loading: Loading = field(default_factory=Loading)
    """How pictures are read, this time."""

    def arguments(self) -> dict[str, Any]:
        """What args.yaml holds."""
        started_with = {
            **self.architecture.to_manifest(),
            "photos": str(self.photos.folder),
            "warnings": list(self.photos.warnings),
            "preprocess": self.spec.to_dict(),
            "pixel_zero_point": self.zero_point,
            "pixel_scale": self.scale,
            "weights": asdict(self.loaded),
        }
        return {**self.options, **plain(vars(self.config)), STARTED_WITH: started_with}


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
    require_trainable(options)
    source = for_training(options.photos, options.out, say)
    say(f"checking the pictures in {source}")
    photos = read_photos(source, options.config.seed)
    for warning in photos.warnings:
        say(f"warning: {warning}")
    return train_on(photos, options, progress, say)


def require_trainable(options: TrainOptions) -> None:
    """Refuse options that cannot be meant and weights that cannot be had, before anything long begins.

    Raises:
        UsageError: an option cannot be meant.
        WeightsError: the file of weights is not there.
    """
    entry = model_entry(options.model)
    _spec(options, entry)
    run_name(options.name, options.photos, entry.name)
    _require_weights(options, entry)


def train_on(
    photos: PhotoSet,
    options: TrainOptions,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> TrainResult:
    """:func:`train_run` of photos that were read and split before, such as one fold; ``options.photos`` names them."""
    entry = model_entry(options.model)
    spec = _spec(options, entry)
    name = run_name(options.name, options.photos, entry.name)
    seed_everything(options.config.seed)
    keep_freed_memory()
    architecture = Architecture(options.model, options.width)
    net, loaded = first_network(architecture, photos, spec, options.weights, say)
    config = _settled(options, loaded, photos)
    asked = plain({key: value for key, value in vars(options).items() if key not in ("config", "loading")})
    training = Training(
        architecture, photos, spec, entry.zero_point, entry.scale, config, loaded, asked, options.loading
    )
    folder = new_run_folder(options.out, name)
    return run_training(folder, net, training, progress or Progress(), say)


def first_network(
    architecture: Architecture, photos: PhotoSet, spec: PreprocessSpec, weights: str, say: Callable[[str], None]
) -> tuple[nn.Module, LoadedWeights]:
    """The network that a training begins with, for the photos' classes; ``weights`` as in :class:`TrainOptions`."""
    say(_describe(photos))
    net = architecture.build(len(photos.labels), spec.height, spec.width)
    loaded = load_pretrained(net, model_entry(architecture.model), weights, say)
    say(f"{architecture.describe()}, weights: {loaded.source}")
    return net, loaded


def run_training(
    folder: Path, net: nn.Module, training: Training, progress: Progress, say: Callable[[str], None]
) -> TrainResult:
    """Train in a run folder, from its state where it has one, and finish its run.

    A training that is broken off leaves what :mod:`hawklet_trainer.resume` goes on from, and says how.
    """
    say(f"run folder: {folder}")
    write_arguments(folder, training.arguments())
    write_photos(folder, training.photos)
    recorder = _Recorder(folder, training, progress)
    try:
        history = _train(folder, net, training, recorder, say)
        result = _finish(folder, net, training, history, recorder.records)
    except (KeyboardInterrupt, SystemExit):
        say(f"broken off; go on with: {resume_command(folder, training.architecture.model)}")
        raise
    finally:
        recorder.close()
    state = folder / STATE
    for path in (state, *state.parent.glob(f".{state.name}.*")):  # and what a kill left of a write
        path.unlink(missing_ok=True)
    return result


def _finish(
    folder: Path, net: nn.Module, training: Training, history: History, records: list[EpochRecord]
) -> TrainResult:
    return finish_run(
        folder,
        net,
        training.architecture,
        training.photos,
        training.spec,
        training.zero_point,
        training.scale,
        training.config,
        history,
        records,
        training.arguments(),
        training.loaded,
        sum(record.seconds for record in records),
    )


def _require_weights(options: TrainOptions, entry: ModelEntry) -> None:
    """Refuse weights that cannot be had, before anything long begins."""
    if options.weights not in ("pretrained", "none"):
        require_file(Path(options.weights))
    if options.width != 1.0 and entry.build_width is not None and options.weights == "pretrained":
        raise UsageError(
            f"pretrained weights exist for --width 1 only, got --width {options.width:g}; train from scratch with "
            "--weights none, or give a file of that width with --weights FILE"
        )


def _spec(options: TrainOptions, entry: ModelEntry) -> PreprocessSpec:
    side = options.imgsz or entry.side
    entry.require_side(side)
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
    config = TrainConfig(**{**vars(options.config), **changes})
    require_batch(config)
    return config


def require_batch(config: TrainConfig) -> None:
    """Refuse batches that batch norms learn nothing of.

    Raises:
        UsageError: they are such.
    """
    if config.batch == 1 and not config.freeze_batch_norm:
        raise UsageError(
            "--batch must be 2 or more here: batch norms, which are trained too, learn nothing of one picture"
        )


def _train(folder: Path, net: nn.Module, training: Training, progress: Progress, say: Callable[[str], None]) -> History:
    config, photos, spec = training.config, training.photos, training.spec
    loading = replace(training.loading, say=say)
    pixel = (training.zero_point, training.scale)
    history, state = History(), folder / STATE
    if config.head_epochs and not state.is_file():  # a state is fine-tuning's, which the head comes before
        head = head_of(net, model_entry(training.architecture.model))
        history = train_head(net, head, photos, spec, *pixel, config, progress, loading)
        say(f"head on cached features: val {history.best_val_top1:.1f} %")
    if config.epochs and not progress.should_stop():
        history = fine_tune(net, photos, spec, *pixel, config, progress=progress, checkpoint=state, loading=loading)
        say(f"fine-tuned in {history.precision}; best epoch {history.best_epoch}, ended by {history.stopped_by}")
    return history


class _Recorder(Progress):
    """Writes the run's files while the loop runs, and passes everything on to who watches."""

    def __init__(self, folder: Path, training: Training, watcher: Progress):
        self.folder = folder
        self.training = training
        self.watcher = watcher
        self.records: list[EpochRecord] = []
        self.board = SummaryWriter(str(folder))

    def resumed(self, records: list[EpochRecord]) -> None:
        results = self.folder / RESULTS
        written = read_results(results.read_text(encoding="utf-8")) if results.is_file() else []
        head = [record for record in written if record.phase == "head"]
        self.records = head + (records[1:] if head else records)  # epoch 0 is already there as the head's
        write_text(results, results_csv(self.records))
        self.watcher.resumed(records)

    def phase(self, title: str, steps: int) -> None:
        self.watcher.phase(title, steps)

    def step(self, step: Step) -> None:
        self.watcher.step(step)

    def should_stop(self) -> bool:
        return self.watcher.should_stop()

    def epoch(self, record: EpochRecord, net: nn.Module, best: bool) -> None:
        if not (record.phase == "fine-tune" and record.epoch == 0 and self.records):  # already there as the head's
            self.records.append(record)
            write_text(self.folder / RESULTS, results_csv(self.records))
            self._to_board(record)
        self._save(LAST, net)
        if best:
            self._save(BEST, net)
        self.watcher.epoch(record, net, best)

    def _save(self, name: str, net: nn.Module) -> None:
        save_weights(self.folder / name, net, self.training.zero_point, self.training.scale)

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
