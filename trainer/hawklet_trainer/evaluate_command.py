"""``hawklet evaluate``. Everything heavy is imported when it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hawklet.option_types import NumberRange

if TYPE_CHECKING:
    from rich.console import Console

    from hawklet_trainer.evaluation.evaluate import Evaluation


@click.command()
@click.argument("path", metavar="RUN|BUNDLE", type=click.Path(path_type=Path))
@click.argument("photos", type=click.Path(path_type=Path), required=False)
@click.option(
    "--split",
    type=click.Choice(["val", "test", "train"]),
    help="Which pictures of the run's own  [default: test, or val where there are none]",
)
@click.option("--variant", help="Which file of a bundle  [default: the first that can be run here]")
@click.option("--robustness", is_flag=True, help="Also make the pictures worse: blur, noise, JPEG, light, rotation.")
@click.option(
    "--precision",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Fit from which score on a class is to be accepted, so that this share of its answers is right, as 0.98.",
)
@click.option(
    "--accept",
    type=NumberRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Share of pictures of the classes that are to pass for familiar.  [default: 0.95, with the options beside it]",
)
@click.option(
    "--unknown",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Pictures of no class, to see how many are named as one.",
)
@click.option(
    "-o", "--report", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with all that was found."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures here too."
)
@click.option("--model", metavar="MODULE:FUNCTION", help="Of a run of a network of your own, the same again.")
def evaluate(report: Path | None, json_file: Path | None, **options: Any) -> None:
    """Measure the best weights of a RUN in float32, or a file of a BUNDLE as it runs on a board.

    Accuracy, each class, confidence, what is mistaken for what, and with --report the pictures it was wrong about.
    Measured on the run's own split; or on PHOTOS, a folder with one folder of pictures per class. With --split PHOTOS
    is where the run's own photos are now.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from rich.console import Console

    from hawklet.safefiles import require_writable
    from hawklet_trainer.evaluation.evaluate import EvaluateRequest, evaluate
    from hawklet_trainer.evaluation.reject_option import RejectRequest

    rejecting = RejectRequest(*(options.pop(name) for name in ("precision", "accept", "unknown")))
    for path in (report, json_file):
        if path is not None:
            require_writable(path)
    console = Console()
    with _bar(console) as done:
        found = evaluate(EvaluateRequest(**options, rejecting=rejecting), done)
    _print(console, found)
    _write(console, found, report, json_file)


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A line that counts pictures of a long step, on a terminal."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def done(what: str, pictures: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.advance(tasks[what], pictures)

        yield done


def _print(console: Console, found: Evaluation) -> None:
    from hawklet_trainer.evaluation.console import print_analysis, print_robustness
    from hawklet_trainer.terminal_lines import print_line

    for warning in found.pictures.warnings:
        click.echo(f"warning: {warning}", err=True)
    for note in found.pictures.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{found.subject.name}, {found.subject.model}, on {found.pictures.title}")
    print_analysis(console, found.analysis)
    if found.robustness is not None:
        print_robustness(console, found.robustness)
    for line in found.rejecting["notes"] if found.rejecting else ():
        print_line(console, line)


def _write(console: Console, found: Evaluation, report: Path | None, json_file: Path | None) -> None:
    from hawklet.safefiles import write_json
    from hawklet_trainer.evaluation.evaluation_report import write_evaluation_report
    from hawklet_trainer.terminal_lines import print_line

    if report is not None:
        write_evaluation_report(report, found)
        print_line(console, f"report: {report}")
    if json_file is not None:
        write_json(json_file, found.to_dict())
