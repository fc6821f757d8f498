"""``hawklet train``. Everything heavy is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hawklet.errors import TrainingError, UsageError
from hawklet_trainer.train_options import COMPUTING, TRAINING, WATCHING, asked_for, folder_options, given, means_of

if TYPE_CHECKING:
    from hawklet_trainer.means import Means


@click.command(
    params=[
        click.Argument(["photos"], type=click.Path(path_type=Path), required=False),
        click.Option(
            ["--resume"],
            type=click.Path(path_type=Path),
            metavar="RUN",
            help="Go on with a training that was broken off, or train on from a finished run.",
        ),
        *folder_options("runs", "Name of the run  [default: the folder's and the model's name]"),
        *TRAINING,
        *WATCHING,
        *COMPUTING,
    ]
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

    compiling = given(context, {"compile": options["compile"]})
    means = means_of(options)
    start = _start({**given(context, options), **compiling}, photos, resume, options, means)
    if not means.processes.is_first:
        _help_silently(start)
    from hawklet_trainer.console import ConsoleProgress, print_result
    from hawklet_trainer.training.processes import telling_of_lost_processes

    console = Console()
    progress = ConsoleProgress(console)
    with progress, progress.heeding_signals(), telling_of_lost_processes():
        result = start(progress, progress.say)
    print_result(console, result)


def _help_silently(start: Any) -> None:
    """Train as one of several processes, of which the first shows what happens and heeds signals."""
    import signal

    from hawklet_trainer.training.processes import telling_of_lost_processes
    from hawklet_trainer.training.terms import Progress

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with telling_of_lost_processes():
            start(Progress(), lambda line: None)  # comes back by ending this process
    except (UsageError, TrainingError) as error:
        raise SystemExit(error.exit_code) from error  # the first process says the same


def _require_heard(said: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse what was said and would not be heard."""
    for name in ("distil", "temperature"):
        if name in said and options["teacher"] is None:
            raise UsageError(f"--{name} says how a teacher is learned from; name one (--teacher RUN), or leave it out")
    if options["epochs"] == 0:
        for name in ("teacher", "unfreeze", "minutes"):
            if name in said:
                raise UsageError(f"--{name} is of fine-tuning, which --epochs 0 leaves out; leave one of them out")
    if options["weights"] == "none" and said.get("head_epochs"):
        raise UsageError(
            "--head-epochs trains the head alone, on pretrained features, got --weights none too; leave one of them out"
        )


def _start(
    said: dict[str, Any], photos: Path | None, resume: Path | None, options: dict[str, Any], means: Means
) -> Any:
    """What is to be done, as a function of who watches and who is told."""
    from functools import partial

    if resume is not None:
        from hawklet_trainer.resume import ResumeOptions, resume_run

        return partial(resume_run, ResumeOptions(resume, photos, said, means))
    if photos is None:
        raise UsageError("hawklet train needs PHOTOS, a folder with one folder of pictures per class, or --resume RUN")
    from hawklet_trainer.train import train_run

    _require_heard(said, options)
    return partial(train_run, asked_for(photos, options, means))
