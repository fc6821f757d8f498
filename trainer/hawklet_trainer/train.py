"""One training from start to end: photos and options in, run folder out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

from torch import nn

from hawklet.errors import DataError, ImageError, TrainingError, UsageError
from hawklet.safefiles import require_writable
from hawklet.spec import Fit, PreprocessSpec
from hawklet_trainer.data import Loading, PhotoSet
from hawklet_trainer.data.importing import for_training
from hawklet_trainer.data.planes import require_planes
from hawklet_trainer.finish import (
    RESULTS,
    STARTED_WITH,
    Trained,
    TrainResult,
    finish_run,
    plain,
    read_results,
    write_arguments,
)
from hawklet_trainer.imgsz_option import AUTO, HOST
from hawklet_trainer.input_side import propose_side
from hawklet_trainer.means import Means
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.blocks import blocks_of
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.head import head_of
from hawklet_trainer.models.registry import DEFAULT_MODEL, model_entry
from hawklet_trainer.models.weights import LoadedWeights, load_pretrained, require_file
from hawklet_trainer.recording import Recorder
from hawklet_trainer.run import BEST, STATE, Run, new_run_folder, resume_command, run_name, write_photos
from hawklet_trainer.source_photos import checked_photos
from hawklet_trainer.teachers import require_teacher, teaching
from hawklet_trainer.trackers import open_trackers
from hawklet_trainer.training.find_lr import find_lr
from hawklet_trainer.training.freed_memory import keep_freed_memory
from hawklet_trainer.training.head import train_head
from hawklet_trainer.training.loop import Execution, fine_tune
from hawklet_trainer.training.processes import Processes, telling_of_lost_processes
from hawklet_trainer.training.seeds import seed_everything
from hawklet_trainer.training.speed import MEASURED, Compile
from hawklet_trainer.training.terms import EpochRecord, History, Progress, TrainConfig

_FEW_PHOTOS = 5000
"""With fewer training pictures the statistics of pretrained batch norms are better than new ones."""
_SMALL_BATCH = 8
"""Of fewer pictures, in one process, batch norms learn statistics that are too noisy."""


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
    imgsz: int | Literal["auto"] | None = None
    """Input side in pixels, a multiple of 32; by default the model's own. ``auto``: proposed from the pictures and the
    board, see :mod:`hawklet_trainer.input_side`."""
    target: str = HOST
    """The board that ``imgsz="auto"`` proposes a side for."""
    fit: Fit = Fit.CROP
    crop_fraction: float | None = None
    """Share of the picture that the model sees; by default the model's own."""
    channels: int = 3
    """1 = luma, 3 = RGB, 4 = RGB and a fourth plane, stored as alpha."""
    teacher: Path | None = None
    """A finished run whose network teaches this one."""
    find_lr: bool = False
    """Whether the highest learning rate is found by a range test."""
    config: TrainConfig = field(default_factory=TrainConfig)
    means: Means = field(default_factory=Means)

    @property
    def highest_lr(self) -> float:
        """The highest learning rate, settled; random weights may move faster than pretrained ones."""
        random = self.weights == "none" and self.config.lr is None
        return self.config.optimizer.lr_from_nothing if random else self.config.highest_lr


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
    teacher: Run | None = None
    """Whose network teaches it."""
    find_lr: bool = False
    """Whether its highest learning rate is still to be found."""
    means: Means = field(default_factory=Means)
    """By which it is carried out, this time."""

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
    source = _source(options, say)
    return train_on(checked_photos(source, options.config.seed, say), options, progress, say)


def _source(options: TrainOptions, say: Callable[[str], None]) -> Path:
    """Where the photos are; what has to be brought in first is brought in by the first process, and found by others."""
    processes = options.means.processes
    if not processes.is_first:
        processes.wait()
    source = for_training(options.photos, options.out, say)
    if processes.is_first:
        processes.wait()
    return source


def require_trainable(options: TrainOptions) -> None:
    """Refuse options that cannot be meant and weights that cannot be had, before anything long begins.

    Raises:
        UsageError: an option cannot be meant.
        WeightsError: the file of weights is not there.
        OSError: runs cannot be kept where they are to be.
    """
    entry = model_entry(options.model)
    _spec(options, entry)
    run_name(options.name, options.photos, entry.name)
    _require_weights(options, entry)
    if options.config.unfreeze >= options.config.epochs > 0:
        raise UsageError(
            f"--unfreeze must leave an epoch in which all blocks learn, got {options.config.unfreeze} with --epochs "
            f"{options.config.epochs}; give more epochs, or unfreeze in fewer"
        )
    try:
        require_writable(options.out.expanduser() / ".hawklet")
    except OSError as error:
        rule = f"--out must be a folder that can be written to ({os.strerror(error.errno or 0)})"
        raise OSError(error.errno, rule, str(options.out)) from error


def train_on(
    photos: PhotoSet,
    options: TrainOptions,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> TrainResult:
    """:func:`train_run` of photos that were read and split before, such as one fold; ``options.photos`` names them."""
    entry = model_entry(options.model)
    spec = _proposed(_spec(options, entry), options, entry, photos, say)
    require_planes(photos, spec)
    name = run_name(options.name, options.photos, entry.name)
    teacher = None if options.teacher is None else require_teacher(options.teacher, photos, spec, options.model, say)
    seed_everything(options.config.seed)
    keep_freed_memory()
    architecture = Architecture(options.model, options.width)
    net, loaded = first_network(architecture, photos, spec, options.weights, say)
    config = _settled(options, loaded, photos)
    asked = plain({key: value for key, value in vars(options).items() if key not in ("config", "means")})
    if options.teacher is not None:
        asked["teacher"] = str(options.teacher.expanduser().resolve())
    training = Training(
        architecture,
        photos,
        spec,
        entry.zero_point,
        entry.scale,
        config,
        loaded,
        asked,
        teacher,
        options.find_lr and config.epochs > 0,
        options.means,
    )
    with fresh_run_folder(options.out, name, options.means.processes) as folder:
        return run_training(folder, net, training, progress or Progress(), say)


@contextmanager
def fresh_run_folder(out: Path, name: str, processes: Processes) -> Iterator[Path]:
    """A new run folder, the same for all processes that train together.

    It goes again where an option turns out to be impossible before fine-tuning has learned anything.
    """
    folder = processes.same(new_run_folder(out, name) if processes.is_first else out)
    try:
        yield folder
    except UsageError:
        if processes.is_first and not _has_fine_tuned(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _has_fine_tuned(folder: Path) -> bool:
    results = folder / RESULTS
    return results.is_file() and any(record.epoch for record in read_results(results.read_text(encoding="utf-8")))


def first_network(
    architecture: Architecture, photos: PhotoSet, spec: PreprocessSpec, weights: str, say: Callable[[str], None]
) -> tuple[nn.Module, LoadedWeights]:
    """The network that a training begins with, for the photos' classes; ``weights`` as in :class:`TrainOptions`."""
    say(_describe(photos))
    net = architecture.build(len(photos.labels), spec.height, spec.width, spec.channels)
    loaded = load_pretrained(net, model_entry(architecture.model), weights, say)
    say(f"{architecture.describe()}, weights: {loaded.source}")
    return net, loaded


def run_training(
    folder: Path, net: nn.Module, training: Training, progress: Progress, say: Callable[[str], None]
) -> TrainResult:
    """Train in a run folder, from its state where it has one, and finish its run.

    A training that is broken off leaves what :mod:`hawklet_trainer.resume` goes on from, and says how. Of several
    processes only the first one comes back; the others end when it has finished.
    """
    if not training.means.processes.is_first:
        _assist(folder, net, training)
    say(f"run folder: {folder}")
    write_arguments(folder, training.arguments())
    write_photos(folder, training.photos)
    recorder = Recorder(folder, training, progress, open_trackers(training.means.tracking, folder, say), say)
    result = None
    try:
        with telling_of_lost_processes():
            training, history = _train(folder, net, training, recorder, say)
        recorder.conclude(history)
        result = _finish(folder, net, training, history, recorder.records)
    except TrainingError:
        if (folder / BEST).is_file():
            say(f"the best weights before that are kept; train on from them with --weights {folder / BEST}")
        _forget_state(folder)  # it would diverge again
        raise
    except (KeyboardInterrupt, SystemExit, OSError, DataError, ImageError):
        if not training.means.of_fold:  # which goes on with all folds
            say(f"broken off; go on with: {_to_go_on(folder, training)}")
        raise
    finally:
        recorder.close(result)
    _forget_state(folder)
    training.means.processes.wait()
    return result


def _forget_state(folder: Path) -> None:
    state = folder / STATE
    for path in (state, *state.parent.glob(f".{state.name}.*")):  # and what a kill left of a write
        path.unlink(missing_ok=True)


def _assist(folder: Path, net: nn.Module, training: Training) -> NoReturn:
    """What a process does that is not the first of those that train together."""
    with telling_of_lost_processes(f"go on with: {_to_go_on(folder, training)}"):
        _train(folder, net, training, Progress(), lambda line: None)
    training.means.processes.wait()
    raise SystemExit(0)


def _to_go_on(folder: Path, training: Training) -> str:
    """What to type to go on, with as many processes, and before there is a state computed as it was to be."""
    devices, nodes = training.means.processes.devices, training.means.processes.nodes
    several = (f" --devices {devices}" if devices > 1 else "") + (f" --nodes {nodes}" if nodes > 1 else "")
    begins_anew = training.means.compiling is not Compile.AUTO and not (folder / STATE).is_file()
    compiling = f" --compile {training.means.compiling.value}" if begins_anew else ""
    return f"{resume_command(folder, training.architecture.model)}{several}{compiling}"


def _finish(
    folder: Path, net: nn.Module, training: Training, history: History, records: list[EpochRecord]
) -> TrainResult:
    trained = Trained(
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
    )
    return finish_run(folder, trained)


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
    side = options.imgsz if isinstance(options.imgsz, int) else entry.side
    entry.require_side(side)
    if options.target != HOST and options.imgsz != AUTO:
        raise UsageError(
            f"--target {options.target} says which side --imgsz auto proposes; add --imgsz auto, or leave it out"
        )
    if options.fit is Fit.SQUASH and options.crop_fraction is not None:
        raise UsageError("--fit squash takes the whole picture; leave --crop-fraction out, or say --fit crop")
    fraction = entry.crop_fraction if options.crop_fraction is None else options.crop_fraction
    share = fraction if options.fit is Fit.CROP else 1.0
    return PreprocessSpec(side, side, options.fit, share, channels=options.channels)


def _proposed(
    spec: PreprocessSpec, options: TrainOptions, entry: ModelEntry, photos: PhotoSet, say: Callable[[str], None]
) -> PreprocessSpec:
    """With the side that the pictures and the board call for, where it is left to them."""
    if options.imgsz != AUTO:
        return spec
    proposal = propose_side(photos, entry, options.target, spec.crop_fraction)
    say(f"input side {proposal.side}: {proposal.reason}")
    return replace(spec, height=proposal.side, width=proposal.side)


def _describe(photos: PhotoSet) -> str:
    counts = ", ".join(f"{split} {count}" for split, count in photos.counts().items())
    return f"{len(photos.labels)} classes, pictures: {counts}"


def _settled(options: TrainOptions, loaded: LoadedWeights, photos: PhotoSet) -> TrainConfig:
    """The loop's configuration with what depends on weights and data filled in."""
    pretrained = loaded.source != "none"
    processes = options.means.processes.world
    few = len(photos.items("train")) < _FEW_PHOTOS or options.config.batch // processes < _SMALL_BATCH
    changes: dict[str, Any] = {"freeze_batch_norm": pretrained and few, "lr": options.highest_lr}
    if not pretrained:
        changes["head_epochs"] = 0  # random features are not worth a head
    config = TrainConfig(**{**vars(options.config), **changes})
    require_batch(config, processes)
    return config


def require_batch(config: TrainConfig, processes: int = 1) -> None:
    """Refuse batches that batch norms learn nothing of.

    Args:
        config: How it is trained.
        processes: How many share a batch.

    Raises:
        UsageError: they are such.
    """
    least = processes * (1 if config.freeze_batch_norm else 2)
    if config.batch < least:
        raise UsageError(
            f"--batch must be {least} or more here, got {config.batch}: every process (--devices, --nodes) needs a "
            "picture, and batch norms, where they are trained too, learn nothing of one"
        )


def _train(
    folder: Path, net: nn.Module, training: Training, progress: Progress, say: Callable[[str], None]
) -> tuple[Training, History]:
    """Also gives the training as it came to be, with a learning rate where that was to be found."""
    config, photos, spec, means = training.config, training.photos, training.spec, training.means
    loading = replace(means.loading, say=say)
    subject = (photos, spec, training.zero_point, training.scale)
    entry = model_entry(training.architecture.model)
    history, state = History(), folder / STATE
    if config.head_epochs and not state.is_file():  # a state is fine-tuning's, which the head comes before
        history = train_head(net, head_of(net, entry), *subject, config, progress, loading, means.processes)
        say(f"head on cached features: val {history.best_val_top1:.1f} %")
    if means.processes.same(progress.should_stop()):
        history.stopped_by = "request"
        return training, history
    if not config.epochs:
        return training, history
    blocks = [block.parameters for block in blocks_of(net, entry)]
    if training.find_lr and not state.is_file():
        training = _with_found_lr(folder, net, blocks, training, loading, progress, say)
        if means.processes.same(progress.should_stop()):
            history.stopped_by = "request"
            return training, history
    execution = Execution(None, means.compiling, state, loading, means.processes)
    with teaching(training.teacher, *subject) as teacher:
        history = fine_tune(
            net, *subject, training.config, blocks=blocks, teacher=teacher, progress=progress, execution=execution
        )
    way = history.precision.partition(MEASURED)[0]  # the report has the figures of all ways
    say(f"fine-tuned in {way}; kept epoch {history.best_epoch}, ended by {history.stopped_by}")
    return training, history


def _with_found_lr(
    folder: Path,
    net: nn.Module,
    blocks: Sequence[Sequence[nn.Parameter]],
    training: Training,
    loading: Loading,
    progress: Progress,
    say: Callable[[str], None],
) -> Training:
    """With the learning rate of a range test, which is written down for whoever goes on; as it was where the test was
    asked to stop."""
    processes = training.means.processes
    found = None
    if processes.is_first:
        subject = (training.photos, training.spec, training.zero_point, training.scale)
        found = find_lr(net, *subject, training.config, blocks=blocks, progress=progress, loading=loading)
        if found is not None:
            say(found.describe())
    lr = processes.same(found.lr if found else 0.0)
    if not lr:
        return training
    options = {**training.options, "find_lr": False}
    training = replace(training, config=replace(training.config, lr=lr), find_lr=False, options=options)
    if processes.is_first:
        write_arguments(folder, training.arguments())
    return training
