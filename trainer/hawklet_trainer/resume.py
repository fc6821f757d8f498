"""Going on: with a training that was broken off, to the same bits; or from a finished run's best weights, anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from hawklet.errors import HawkletError, RunError, UsageError
from hawklet.safefiles import sha256_of
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.finish import STARTED_WITH, TrainResult, plain
from hawklet_trainer.lr_option import settled
from hawklet_trainer.means import Means
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.weights import LoadedWeights
from hawklet_trainer.run import (
    ARGUMENTS,
    BEST,
    LABELS,
    MANIFEST,
    STATE,
    Run,
    load_run,
    photos_of,
    require_model,
    run_name,
)
from hawklet_trainer.teachers import require_teacher
from hawklet_trainer.train import Training, first_network, fresh_run_folder, require_batch, run_training
from hawklet_trainer.training.freed_memory import keep_freed_memory
from hawklet_trainer.training.seeds import seed_everything
from hawklet_trainer.training.terms import Progress, TrainConfig

_OF_LOOP = {f.name for f in fields(TrainConfig)}
_WHERE = {"model", "out", "name", "teacher", "compile"}
"""Options besides the loop's that training on from a finished run takes."""
_WAY_OUT = "say where they are now: hawklet train --resume RUN PHOTOS"


@dataclass(frozen=True)
class ResumeOptions:
    """What ``hawklet train --resume`` is asked for."""

    folder: Path
    """Of the run."""
    photos: Path | None = None
    """Where its photos are now, if they have moved."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Options that were said, by name: fields of :class:`~hawklet_trainer.training.terms.TrainConfig`, and ``model``,
    ``out``, ``name``, ``teacher`` and ``compile``, which ``means`` has the value of. Others are refused."""
    means: Means = field(default_factory=Means)
    """By which it is carried out from now on."""


def resume_run(
    options: ResumeOptions, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None
) -> TrainResult:
    """Go on with a training.

    One that was broken off goes on in its folder exactly as it began. A finished run is trained on, from its best
    weights, on its own split and with its own options (those given now win), into a new run folder beside it.

    Args:
        options: What to do.
        progress: Watches the loop and may stop it.
        say: Called with one line for each thing worth knowing.

    Raises:
        RunError: the folder is neither; or it names code of the user's own that the user has not.
        UsageError: an option cannot be meant here.
        DataError: the photos are gone or were changed.
    """
    folder = options.folder.expanduser()
    if not folder.is_dir():
        raise RunError(f"--resume must name a run folder that hawklet train wrote; there is no folder {folder}")
    keep_freed_memory()
    go_on = _train_on if (folder / MANIFEST).is_file() else _go_on
    return go_on(folder, options, progress or Progress(), say)


def _train_on(folder: Path, options: ResumeOptions, progress: Progress, say: Callable[[str], None]) -> TrainResult:
    given = dict(options.given)
    _refuse(given.keys() - _OF_LOOP - _WHERE, "the network and its input stay a finished run's own")
    run = load_run(folder, given.get("model"))
    # The head was trained; on its own again it would only drift from where fine-tuning has led it.
    looped, finds = settled({key: given[key] for key in given.keys() & _OF_LOOP})
    config = run.config(**{"head_epochs": 0, **looped})
    processes = options.means.processes
    require_batch(config, processes.world)
    name = run_name(given.get("name", run.name), folder, run.model)
    seed_everything(config.seed)
    say(f"training on from the best weights of {folder}")
    photos = run.photos(options.photos, _WAY_OUT)
    net = run.build()
    best = (folder / BEST).resolve()
    loaded = LoadedWeights(str(best), sha256_of(best))
    asked: dict[str, Any] = {"photos": str(photos.folder), "model": run.model, "resume": str(folder)}
    asked |= {"weights": str(best), "teacher": given.get("teacher", _taught_by(folder)), "find_lr": finds}
    asked = plain(asked)
    training = Training(
        run.architecture,
        photos,
        run.spec,
        run.pixel_zero_point,
        run.pixel_scale,
        config,
        loaded,
        asked,
        _teacher(asked, photos, run.spec, run.architecture.model),
        finds and config.epochs > 0,
        options.means,
    )
    with fresh_run_folder(Path(given.get("out", folder.resolve().parent)), name, processes) as new:
        return run_training(new, net, training, progress, say)


def _go_on(folder: Path, options: ResumeOptions, progress: Progress, say: Callable[[str], None]) -> TrainResult:
    begins_anew = not (folder / STATE).is_file()
    takes = {"model", "compile"} if begins_anew else {"model"}
    _refuse(options.given.keys() - takes, "a training that was broken off goes on as it began")
    begun = _read_begun(folder, options)
    seed_everything(begun.config.seed)
    # With a state the weights come from there, and are not fetched again.
    weights = begun.options["weights"] if begins_anew else "none"
    net, _ = first_network(begun.architecture, begun.photos, begun.spec, weights, lambda line: None)
    say("nothing was learnt before it broke off; beginning anew" if begins_anew else "going on where it broke off")
    return run_training(folder, net, begun, progress, say)


def _refuse(names: set[str], rule: str) -> None:
    if names:
        flag = sorted(names)[0].replace("_", "-")
        raise UsageError(f"{rule} (--resume), got --{flag} too; leave that out")


def _read_begun(folder: Path, options: ResumeOptions) -> Training:
    """What the folder of a training that was broken off says of it."""
    try:
        asked = yaml.safe_load((folder / ARGUMENTS).read_text(encoding="utf-8"))
        began = asked.pop(STARTED_WITH)
        labels = tuple((folder / LABELS).read_text(encoding="utf-8").splitlines())
        architecture = Architecture.from_manifest(began)
        require_model(architecture.model, options.given.get("model"), folder)
        config = TrainConfig.from_plain({key: asked.pop(key) for key in _OF_LOOP & asked.keys()})
        spec = PreprocessSpec.from_dict(began["preprocess"])
        loaded = LoadedWeights(began["weights"]["source"], began["weights"]["sha256"])
        zero_point, scale = int(began["pixel_zero_point"]), float(began["pixel_scale"])
        place, _ = options.photos or Path(began["photos"]), asked["weights"]
        warnings = tuple(str(line) for line in began["warnings"])
    except (OSError, AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        if isinstance(error, HawkletError):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        if isinstance(error, FileNotFoundError) and error.filename:
            reason = f"{Path(error.filename).name} is missing"
        raise RunError(
            f"--resume needs a run folder as hawklet train begins one ({ARGUMENTS}, split.csv), which {folder} is not "
            f"({reason}); train again"
        ) from error
    photos = replace(photos_of(folder, place, labels, _WAY_OUT), warnings=warnings)
    return Training(
        architecture,
        photos,
        spec,
        zero_point,
        scale,
        config,
        loaded,
        asked,
        _teacher(asked, photos, spec, architecture.model),
        bool(asked.get("find_lr", False)),
        means=options.means,
    )


def _teacher(asked: Mapping[str, Any], photos: PhotoSet, spec: PreprocessSpec, model: str) -> Run | None:
    """Who taught it, and goes on teaching it."""
    teacher = asked.get("teacher")
    return None if teacher is None else require_teacher(Path(teacher), photos, spec, model, lambda line: None)


def _taught_by(folder: Path) -> str | None:
    """The teacher of a finished run, where it had one."""
    try:
        asked = yaml.safe_load((folder / ARGUMENTS).read_text(encoding="utf-8"))
        teacher = asked.get("teacher")
    except (OSError, AttributeError, ValueError, yaml.YAMLError):
        return None
    return None if teacher is None else str(teacher)
