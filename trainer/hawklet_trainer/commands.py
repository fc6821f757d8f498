"""``hawklet train`` and ``hawklet weights``. Everything heavy is imported when a command is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hawklet.option_types import SEED, NumberRange

_MODEL_HELP = "mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large, resnet18, resnet50 or efficientnet_lite0."


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--model", default="mobilenet_v2", show_default=True, help=_MODEL_HELP)
@click.option(
    "--weights",
    default="pretrained",
    show_default=True,
    help="pretrained (ImageNet), none, or a .pth or .safetensors file.",
)
@click.option("--out", type=click.Path(path_type=Path), default="runs", show_default=True, help="Where runs are kept.")
@click.option("--name", help="Name of the run  [default: the folder's and the model's name]")
@click.option("--imgsz", type=click.IntRange(32, 1024), help="Input side, pixels, a multiple of 32  [default: 224]")
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
    type=click.Choice(["none", "light", "default"]),
    default="default",
    show_default=True,
    help="How much training pictures are varied.",
)
@click.option("--flip/--no-flip", default=True, show_default=True, help="Mirror pictures; not for arrows and letters.")
def train(photos: Path, **options: Any) -> None:
    """Fine-tune a classifier on PHOTOS, a folder with one folder of pictures per class.

    PHOTOS may have train/, val/ and test/ folders above the classes; what it does not split is split here.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from rich.console import Console

    from hawklet_trainer.console import ConsoleProgress, print_result
    from hawklet_trainer.train import train_run

    console = Console()
    progress = ConsoleProgress(console)
    with progress, progress.stopping_at_sigint():
        result = train_run(_train_options(photos, options), progress, progress.say)
    print_result(console, result)


def _train_options(photos: Path, options: dict[str, Any]) -> Any:
    from dataclasses import fields

    from hawklet.spec import Fit
    from hawklet_trainer.augment import Augment
    from hawklet_trainer.loop import TrainConfig
    from hawklet_trainer.train import TrainOptions

    options["augment"], options["fit"] = Augment(options["augment"]), Fit(options["fit"])
    of_loop = {field.name for field in fields(TrainConfig)}
    config = TrainConfig(**{key: value for key, value in options.items() if key in of_loop})
    rest = {key: value for key, value in options.items() if key not in of_loop}
    return TrainOptions(photos=photos, config=config, **rest)


@click.group()
def weights() -> None:
    """List and fetch pretrained weights."""


@weights.command("list")
def list_weights() -> None:
    """Show every network's weights, and where they are or would come from."""
    from hawklet_trainer.models import MODELS
    from hawklet_trainer.weights import cache_folder, describe

    for entry in MODELS.values():
        click.echo(f"{entry.name}: {describe(entry.weights)}")
    click.echo(f"the cache: {cache_folder()}")


@weights.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Fetch and check the pretrained weights of the network NAME; prints the file's path."""
    from hawklet_trainer.models import model_entry
    from hawklet_trainer.weights import fetch as fetch_file

    click.echo(fetch_file(model_entry(name).weights, lambda line: click.echo(line, err=True)))
