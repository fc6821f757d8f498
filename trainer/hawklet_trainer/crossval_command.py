"""``hawklet crossval``. Everything heavy is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hawklet_trainer.train_options import TRAINING, asked_for, folder_options, means_of


@click.command(
    params=[
        click.Argument(["photos"], type=click.Path(path_type=Path)),
        click.Option(
            ["--folds"], type=click.IntRange(2, 100), default=5, show_default=True, help="Parts, each tested once."
        ),
        click.Option(
            ["--keep-runs/--no-keep-runs"],
            default=True,
            show_default=True,
            help="Keep every fold's weights; reports are kept in any case.",
        ),
        *folder_options(
            "cross-validations", "Name of the cross-validation  [default: the folder's and the model's name, -crossval]"
        ),
        *TRAINING,
    ]
)
def crossval(photos: Path, folds: int, keep_runs: bool, **options: Any) -> None:
    """Measure how well a training does on PHOTOS: train once for each fold, and test on the pictures left out.

    PHOTOS is what hawklet train takes. Folds are stratified by class; copies of a picture and the pictures of a group
    are in one fold. A test split of PHOTOS' own is left alone. The same command goes on where it was broken off.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from rich.console import Console

    from hawklet_trainer.console import ConsoleProgress
    from hawklet_trainer.crossval.console import print_result
    from hawklet_trainer.crossval.cross_validate import CrossvalOptions, cross_validate
    from hawklet_trainer.signals import breaking_off

    means = means_of(options)
    asked = CrossvalOptions(asked_for(photos, options, means), folds, keep_runs)
    console = Console()
    with ConsoleProgress(console) as progress, breaking_off():
        result = cross_validate(asked, progress, progress.say)
    print_result(console, result)
