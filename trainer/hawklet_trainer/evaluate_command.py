"""``hawklet evaluate``. Everything heavy is imported when it is called."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("photos", type=click.Path(path_type=Path), required=False)
@click.option(
    "--split",
    type=click.Choice(["val", "test", "train"]),
    help="Which pictures of the run's own  [default: test, or val where there are none]",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures here too."
)
@click.option("--model", metavar="MODULE:FUNCTION", help="Of a run of a network of your own, the same again.")
def evaluate(run: Path, photos: Path | None, split: str | None, json_file: Path | None, model: str | None) -> None:
    """Measure the best weights of RUN, in float32: accuracy, and precision, recall and F1 of each class.

    Measured on the run's own split; or on PHOTOS, a folder with one folder of pictures per class. With --split PHOTOS
    is where the run's own photos are now.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from rich.console import Console

    from hawklet.safefiles import require_writable, write_json
    from hawklet_trainer.console import print_metrics
    from hawklet_trainer.evaluation.evaluate_run import evaluate_run

    if json_file is not None:
        require_writable(json_file)
    done = evaluate_run(run, photos, split, model)
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{done.name}, {done.model}, on {done.measured_on}")
    print_metrics(Console(), done.metrics)
    if json_file is not None:
        write_json(json_file, done.to_dict())
