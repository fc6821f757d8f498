"""``hawklet tune``. Everything heavy is imported when it is called."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import click

from hawklet.option_types import Duration
from hawklet_trainer.train_options import TRAINING, asked_for, folder_options, given, means_of

# The names of the default space, whose module --help does not import: a test holds both together.
SEARCHED = ("model", "imgsz", "lr", "weight_decay", "label_smoothing", "augment", "mix", "batch")
"""Options that are searched unless told otherwise."""


def _searched(option: click.Parameter) -> click.Parameter:
    """An option of a training as ``--help`` shows it here: what is searched has no other default."""
    if option.name not in SEARCHED or not isinstance(option, click.Option):
        return option
    shown = copy.copy(option)
    shown.show_default = False
    shown.help = re.sub(r"\s*\[default: .*\]$", "", option.help or "") + "  [default: searched]"
    return shown


@click.command(
    params=[
        click.Argument(["photos"], type=click.Path(path_type=Path)),
        click.Option(
            ["--trials"],
            type=click.IntRange(1),
            default=30,
            show_default=True,
            help="Trainings, of all machines together.",
        ),
        click.Option(
            ["--time", "seconds"],
            type=Duration(),
            metavar="TIME",
            help="No trial begins after it: 90s, 45m, 2h  [default: as long as it takes]",
        ),
        click.Option(
            ["--objective"],
            type=click.Choice(["accuracy", "accuracy,latency"]),
            default="accuracy",
            show_default=True,
            help="What is searched for; with latency: what no other trial is better than in both.",
        ),
        click.Option(
            ["--space"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="YAML: the options to search, and their values  [default: see docs/tune.md]",
        ),
        click.Option(
            ["--storage"],
            envvar="HAWKLET_STORAGE",
            metavar="URL",
            help="Database that machines share, or HAWKLET_STORAGE  [default: a file in the study's folder]",
        ),
        click.Option(
            ["--keep-runs/--no-keep-runs"],
            default=False,
            show_default=True,
            help="Keep every trial's weights; reports are kept in any case.",
        ),
        *folder_options("studies", "Name of the study; machines share one by it  [default: the folder's name, -tune]"),
        *map(_searched, TRAINING),
    ]
)
@click.pass_context
def tune(
    context: click.Context,
    /,
    photos: Path,
    trials: int,
    seconds: float | None,
    objective: str,
    space: Path | None,
    storage: str | None,
    keep_runs: bool,
    **options: Any,
) -> None:
    """Search for the options that train best on PHOTOS, which is what hawklet train takes.

    Options of a training that are given here are fixed. Trials are chosen by val; the test pictures are not looked at
    before the search is over. The same command goes on where it ended, or joins on another machine.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from rich.console import Console

    from hawklet_trainer.tuning.console import SearchConsole, print_outcome
    from hawklet_trainer.tuning.space import default_space, read_space
    from hawklet_trainer.tuning.storage import require_optuna
    from hawklet_trainer.tuning.study import Objective
    from hawklet_trainer.tuning.tune import TuneOptions
    from hawklet_trainer.tuning.tune import tune as run

    require_optuna()
    said = given(context, options)
    means = means_of(options)
    training = asked_for(photos, options, means)
    searched = default_space(said, training) if space is None else read_space(space, said)
    asked = TuneOptions(training, searched, trials, seconds, Objective(objective), storage, keep_runs)
    console = Console()
    with SearchConsole(console) as progress, progress.heeding_signals():
        outcome = run(asked, progress, progress.say)
    print_outcome(console, outcome)
