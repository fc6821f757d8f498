"""``hawklet train``. Everything heavy is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hawklet.errors import UsageError
from hawklet.option_types import SEED, NumberRange

_MODEL_HELP = (
    "mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large, resnet18, resnet50, vgg11_bn, vgg16_bn, inception_v3, "
    "efficientnet_lite0, or your own module:function."
)


@click.command()
@click.argument("photos", type=click.Path(path_type=Path), required=False)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with a training that was broken off, or train on from a finished run.",
)
@click.option("--model", default="mobilenet_v2", show_default=True, help=_MODEL_HELP)
@click.option(
    "--weights",
    default="pretrained",
    show_default=True,
    help="pretrained (ImageNet), none, or a .pth or .safetensors file.",
)
@click.option("--out", type=click.Path(path_type=Path), default="runs", show_default=True, help="Where runs are kept.")
@click.option("--name", help="Name of the run  [default: the folder's and the model's name]")
@click.option(
    "--width",
    type=NumberRange(0.1, 4.0),
    default=1.0,
    show_default=True,
    help="Width multiplier of a MobileNet; pretrained weights exist for 1 only.",
)
@click.option(
    "--imgsz", type=click.IntRange(32, 1024), help="Input side, pixels, a multiple of 32  [default: the model's]"
)
@click.option(
    "--fit",
    type=click.Choice(["crop", "squash"]),
    default="crop",
    show_default=True,
    help="How a picture is made square.",
)
@click.option(
    "--crop-fraction", type=NumberRange(0.1, 1.0), help="Share of the picture's side seen  [default: the model's]"
)
@click.option("--epochs", type=click.IntRange(0), default=20, show_default=True, help="Most epochs of fine-tuning.")
@click.option("--head-epochs", type=click.IntRange(0), default=30, show_default=True, help="Epochs of the head alone.")
@click.option("--minutes", type=NumberRange(0, min_open=True), help="Most minutes of fine-tuning.")
@click.option("--patience", type=click.IntRange(1), default=8, show_default=True, help="Epochs without a better val.")
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Pictures per step.")
@click.option("--lr", type=NumberRange(0, min_open=True), default=3e-4, show_default=True, help="Learning rate.")
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Of the split and all that is random.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "light", "default", "strong", "camera"]),
    default="default",
    show_default=True,
    help="How much training pictures are varied; camera: as a small camera takes them.",
)
@click.option(
    "--mix",
    type=click.Choice(["none", "mixup", "cutmix", "both"]),
    help="Mix training pictures in pairs, with both labels  [default: both with --augment strong, else none]",
)
@click.option("--flip/--no-flip", default=True, show_default=True, help="Mirror pictures; not for arrows and letters.")
@click.option(
    "--cache",
    type=click.Choice(["auto", "ram", "disk", "none"]),
    default="auto",
    show_default=True,
    help="Where decoded pictures are kept; auto: in memory, else on disk, where they fit.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    help="Processes that make pictures ready ahead; 0: none  [default: 2 where they must be decoded or feed a GPU]",
)
@click.pass_context
def train(context: click.Context, /, photos: Path | None, resume: Path | None, **options: Any) -> None:
    """Fine-tune a classifier on PHOTOS, a folder with one folder of pictures per class.

    Or an index, or CIFAR, COCO, ImageNet, WebDataset or imagefolder in the original layout (see hawklet data import).
    PHOTOS may have train/, val/ and test/ folders above the classes; what it does not split is split here. With
    --resume PHOTOS is where the run's photos are now, if they have moved.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from rich.console import Console

    loading = _loading(options)
    start = _start(context, photos, resume, options, loading)
    from hawklet_trainer.console import ConsoleProgress, print_result

    console = Console()
    progress = ConsoleProgress(console)
    with progress, progress.heeding_signals():
        result = start(progress, progress.say)
    print_result(console, result)


def _loading(options: dict[str, Any]) -> Any:
    """How pictures are read; taken out of the options, since it is no part of what is trained."""
    from hawklet_trainer.data import Cache, Loading

    return Loading(Cache(options.pop("cache")), options.pop("workers"))


def _start(
    context: click.Context, photos: Path | None, resume: Path | None, options: dict[str, Any], loading: Any
) -> Any:
    """What is to be done, as a function of who watches and who is told."""
    from functools import partial

    if resume is not None:
        from hawklet_trainer.resume import ResumeOptions, resume_run

        return partial(resume_run, ResumeOptions(resume, photos, _given(context, options), loading))
    if photos is None:
        raise UsageError("hawklet train needs PHOTOS, a folder with one folder of pictures per class, or --resume RUN")
    from hawklet_trainer.train import train_run

    return partial(train_run, _train_options(photos, options, loading))


def _given(context: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """The options that were said, apart from defaults."""
    return {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }


def _train_options(photos: Path, options: dict[str, Any], loading: Any) -> Any:
    from dataclasses import fields

    from hawklet.spec import Fit
    from hawklet_trainer.train import TrainOptions
    from hawklet_trainer.training.terms import TrainConfig

    options["fit"] = Fit(options["fit"])
    of_loop = {field.name for field in fields(TrainConfig)}
    config = TrainConfig.from_plain({key: value for key, value in options.items() if key in of_loop})
    rest = {key: value for key, value in options.items() if key not in of_loop}
    return TrainOptions(photos=photos, config=config, loading=loading, **rest)
