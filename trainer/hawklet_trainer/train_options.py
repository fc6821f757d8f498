"""The options of a training, said once: ``hawklet train``, ``crossval`` and ``tune`` all take them.

A command takes them as ``@click.command(params=[click.Argument(...), *TRAINING])``, and makes of their values what a
training is asked for with :func:`asked_for`. What is added here is taken by all three, and can be searched by ``tune``
unless it is one of :data:`READING`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hawklet.option_types import SEED, NumberRange
from hawklet_trainer.imgsz_option import HOST, TARGET_NAMES, InputSide
from hawklet_trainer.lr_option import LearningRate, settled

if TYPE_CHECKING:
    from hawklet_trainer.means import Means
    from hawklet_trainer.trackers import Tracking
    from hawklet_trainer.train import TrainOptions

_MODEL_HELP = "A name that hawklet models lists, or your own module:function."

NETWORK: Sequence[click.Parameter] = (
    click.Option(["--model"], default="mobilenet_v2", show_default=True, help=_MODEL_HELP),
    click.Option(
        ["--weights"],
        default="pretrained",
        show_default=True,
        help="pretrained (ImageNet), none, or a .pth or .safetensors file.",
    ),
    click.Option(
        ["--width"],
        type=NumberRange(0.1, 4.0),
        default=1.0,
        show_default=True,
        help="Width multiplier of a MobileNet; pretrained weights exist for 1 only.",
    ),
    click.Option(
        ["--imgsz"],
        type=InputSide(),
        help="Input side, pixels, a multiple of 32; auto: proposed from the pictures  [default: the model's]",
    ),
    click.Option(
        ["--target"],
        type=click.Choice(TARGET_NAMES),
        default=HOST,
        show_default=True,
        help="The board that --imgsz auto proposes a side for.",
    ),
    click.Option(
        ["--fit"],
        type=click.Choice(["crop", "squash"]),
        default="crop",
        show_default=True,
        help="How a picture is made square.",
    ),
    click.Option(
        ["--crop-fraction"],
        type=NumberRange(0.1, 1.0),
        help="Share of the picture's side seen  [default: the model's]",
    ),
    click.Option(
        ["--channels"],
        type=click.Choice(["1", "3", "4"]),
        default="3",
        show_default=True,
        callback=lambda context, option, value: int(value),
        help="Of the input: 1 grey, 3 RGB, 4 RGB and a plane stored as alpha.",
    ),
)
"""What is trained, and what it is shown."""

LOOP: Sequence[click.Parameter] = (
    click.Option(
        ["--epochs"], type=click.IntRange(0), default=10, show_default=True, help="Most epochs of fine-tuning."
    ),
    click.Option(
        ["--head-epochs"], type=click.IntRange(0), default=30, show_default=True, help="Epochs of the head alone."
    ),
    click.Option(
        ["--head-views"],
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="How often the head sees every picture: once as it is, else varied.",
    ),
    click.Option(["--minutes"], type=NumberRange(0, min_open=True), help="Most minutes of fine-tuning."),
    click.Option(
        ["--patience"], type=click.IntRange(1), default=8, show_default=True, help="Epochs without a better val."
    ),
    click.Option(
        ["--batch"], type=click.IntRange(1), default=32, show_default=True, help="Pictures that are learned together."
    ),
    click.Option(
        ["--accumulate"],
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Batches whose gradients make one step, where memory holds no larger batch.",
    ),
    click.Option(["--optimizer"], type=click.Choice(["adamw", "adam", "sgd"]), default="adamw", show_default=True),
    click.Option(
        ["--lr"],
        type=LearningRate(),
        help="Highest learning rate; auto: found by a short test  [default: 0.0001; without weights 0.001; sgd: 0.01]",
    ),
    click.Option(
        ["--schedule"],
        type=click.Choice(["cosine", "one-cycle"]),
        default="cosine",
        show_default=True,
        help="How the learning rate moves.",
    ),
    click.Option(
        ["--layer-decay"],
        type=NumberRange(0, 1, min_open=True),
        default=1.0,
        show_default=True,
        help="Learning rate of each block by that of the block after it.",
    ),
    click.Option(
        ["--unfreeze"],
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Epochs over which blocks begin to learn, the head first.",
    ),
    click.Option(
        ["--weight-decay"],
        type=NumberRange(0),
        help="How much weights are drawn to zero  [default: 0.02 with adamw, 0.0001 with sgd, else 0]",
    ),
    click.Option(
        ["--clip"],
        type=NumberRange(0),
        default=5.0,
        show_default=True,
        help="Longest gradient of a step; 0: any.",
    ),
    click.Option(
        ["--dropout"],
        type=NumberRange(0, 1, max_open=True),
        help="Share of the features hidden from the head  [default: the model's]",
    ),
    click.Option(
        ["--ema/--no-ema"], default=True, show_default=True, help="Judge and keep a running average of the weights."
    ),
    click.Option(
        ["--balance"],
        type=click.Choice(["none", "weights", "sampling"]),
        default="none",
        show_default=True,
        help="Let small classes count more, or be shown more often.",
    ),
    click.Option(
        ["--focal"],
        type=NumberRange(0, 10),
        default=0.0,
        show_default=True,
        help="Gamma of the focal loss: let what is named rightly already count less.",
    ),
    click.Option(
        ["--label-smoothing"],
        type=NumberRange(0, 1, max_open=True),
        default=0.0,
        show_default=True,
        help="Share of every label that is spread over all classes.",
    ),
    click.Option(["--seed"], type=SEED, default=0, show_default=True, help="Of the split and all that is random."),
    click.Option(
        ["--augment"],
        type=click.Choice(["none", "light", "medium", "strong", "camera"]),
        default="light",
        show_default=True,
        help="How much training pictures are varied; camera: as a small camera takes them.",
    ),
    click.Option(
        ["--mix"],
        type=click.Choice(["none", "mixup", "cutmix", "both"]),
        help="Mix training pictures in pairs, with both labels  [default: both with --augment strong, else none]",
    ),
    click.Option(
        ["--flip/--no-flip"], default=True, show_default=True, help="Mirror pictures; not for arrows and letters."
    ),
)
"""How it is trained."""

TEACHING: Sequence[click.Parameter] = (
    click.Option(
        ["--teacher"],
        type=click.Path(path_type=Path),
        metavar="RUN",
        help="A finished run of the same classes, bigger as a rule, whose answers are learned too.",
    ),
    click.Option(
        ["--distil"],
        type=NumberRange(0, 1),
        default=0.7,
        show_default=True,
        help="Share of the teacher's answers in what is learned.",
    ),
    click.Option(
        ["--temperature"],
        type=NumberRange(0, 100, min_open=True),
        default=2.0,
        show_default=True,
        help="How much both answers are softened.",
    ),
)
"""Whom it learns from besides the labels."""

READING: Sequence[click.Parameter] = (
    click.Option(
        ["--cache"],
        type=click.Choice(["auto", "ram", "disk", "none"]),
        default="auto",
        show_default=True,
        help="Where decoded pictures are kept; auto: in memory, else on disk, where they fit.",
    ),
    click.Option(
        ["--workers"],
        type=click.IntRange(0, 64),
        help="Processes that make pictures ready ahead; 0: none  [default: up to 8 to feed a GPU, 2 to decode, else 1]",
    ),
)
"""How pictures are read, which nothing that is learned depends on."""

WATCHING: Sequence[click.Parameter] = (
    click.Option(
        ["--mlflow"],
        metavar="[URI]",
        is_flag=False,
        flag_value="",
        help="Tell an MLflow server too, such as http://localhost:5000  [without URI: MLFLOW_TRACKING_URI]",
    ),
)
"""Who is told of it, which nothing that is learned depends on."""

COMPUTING: Sequence[click.Parameter] = (
    click.Option(
        ["--compile"],
        type=click.Choice(["auto", "yes", "no"]),
        default="auto",
        show_default=True,
        help="Compile the network for training; auto: where that is measured to pay.",
    ),
    click.Option(
        ["--devices"],
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Processes that train together, on a GPU each where there are any.",
    ),
    click.Option(
        ["--nodes"], type=click.IntRange(1, 1024), default=1, show_default=True, help="Machines that train together."
    ),
)
"""What computes, which nothing that is learned depends on but in rounding."""

TRAINING: Sequence[click.Parameter] = (*NETWORK, *LOOP, *TEACHING, *READING)
"""All of them, in the order of ``--help``."""


def folder_options(what: str, name_help: str) -> list[click.Parameter]:
    """``--out`` and ``--name`` of a command that writes a folder of ``what``."""
    return [
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path),
            default="runs",
            show_default=True,
            help=f"Where {what} are kept.",
        ),
        click.Option(["--name"], help=name_help),
    ]


def given(context: click.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were said, apart from defaults."""
    return {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }


def means_of(options: dict[str, Any]) -> Means:
    """By what means a training is carried out; taken out of the options, since it is no part of what is trained.

    The processes that train together start here; each of them comes back.

    Args:
        options: Values by option name, with those of :data:`READING`; :data:`WATCHING` and :data:`COMPUTING` where the
            command has them.

    Raises:
        UsageError: the address of a server cannot be meant, or so many processes cannot.
        MissingDependencyError: the package that tells a server is not installed.
    """
    from hawklet_trainer.data import Cache, Loading
    from hawklet_trainer.data.pixel_source import most_memory
    from hawklet_trainer.means import Means
    from hawklet_trainer.training.processes import start
    from hawklet_trainer.training.speed import Compile

    devices, nodes = options.pop("devices", 1), options.pop("nodes", 1)
    cache, workers = Cache(options.pop("cache")), options.pop("workers")
    loading = Loading(cache, workers, most_memory(sharers=devices), sharers=devices)
    tracking = _tracking_of(options)
    compiling = Compile(options.pop("compile", "no"))
    return Means(loading, tracking, compiling, start(devices, nodes))


def _tracking_of(options: dict[str, Any]) -> Tracking:
    from hawklet_trainer.trackers import Tracking

    given_address = options.pop("mlflow", None)
    if given_address is None:
        return Tracking()
    from hawklet_trainer.trackers.mlflow import require_mlflow
    from hawklet_trainer.trackers.mlflow_address import mlflow_address

    require_mlflow()
    return Tracking(mlflow_address(given_address))


def asked_for(photos: Path, options: Mapping[str, Any], means: Means) -> TrainOptions:
    """What a training is asked for.

    Args:
        photos: The PHOTOS argument.
        options: Values by option name: those of :data:`NETWORK`, :data:`LOOP` and :data:`TEACHING`, ``out`` and
            ``name``.
        means: What :func:`means_of` gave.
    """
    from hawklet_trainer.train import TrainOptions

    return changed(TrainOptions(photos=photos, means=means), options)


def changed(asked: TrainOptions, values: Mapping[str, Any]) -> TrainOptions:
    """The same training with other options, by name and as a command line has them.

    Raises:
        TypeError: there is no such option.
        ValueError: it has no such value.
    """
    from dataclasses import fields, replace

    from hawklet.spec import Fit
    from hawklet_trainer.training.terms import TrainConfig

    of_loop = {field.name for field in fields(TrainConfig)}
    looped, finds = settled({key: value for key, value in values.items() if key in of_loop})
    rest = {key: value for key, value in values.items() if key not in of_loop}
    if "lr" in looped:
        rest["find_lr"] = finds
    if "fit" in rest:
        rest["fit"] = Fit(rest["fit"])
    return replace(asked, config=TrainConfig.from_plain({**vars(asked.config), **looped}), **rest)
