"""``hawklet convert``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hawklet.option_types import SEED, NumberRange

if TYPE_CHECKING:
    from hawklet_converter.request import Conversion

# Named here too, since importing them would import the quantizers: a test holds both lists together.
_TARGETS = ("host", "x86", "pizero2", "pi3", "pi4", "pi5", "jetson")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--int8/--float-only", default=True, help="Write int8 and float32 files, or float32 alone.")
@click.option(
    "--prune",
    type=NumberRange(0, 0.9),
    default=0.0,
    metavar="RATIO",
    help="Remove this share of the channels first, 0..0.9.",
)
@click.option(
    "--prune-epochs", type=click.IntRange(0), default=8, show_default=True, help="Epochs of recovery after pruning."
)
@click.option(
    "--max-drop",
    type=NumberRange(0, 100),
    default=1.0,
    show_default=True,
    help="Points of validation top-1 that int8 may lose; else no bundle.",
)
@click.option("--photos", type=click.Path(path_type=Path), help="Where the photos are now, if they have moved.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle.  [default: NAME.hawklet]")
@click.option(
    "--calibration",
    type=click.IntRange(2),
    default=128,
    show_default=True,
    help="Training pictures to collect ranges on.",
)
@click.option(
    "--target", type=click.Choice(_TARGETS), default="host", show_default=True, help="What the int8 ONNX file is for."
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Draws samples, and the order of recovery training.",
)
def convert(
    run: Path,
    int8: bool,
    prune: float,
    prune_epochs: int,
    max_drop: float,
    photos: Path | None,
    output: Path | None,
    calibration: int,
    target: str,
    seed: int,
) -> None:
    """Prune and quantize a run, measure every file, and write a bundle.

    RUN is a folder that hawklet train wrote.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from hawklet_converter.convert import convert as convert_run
    from hawklet_converter.request import ConvertRequest
    from hawklet_converter.steps import Steps

    request = ConvertRequest(
        run=run,
        output=output,
        int8=int8,
        prune=prune,
        prune_epochs=prune_epochs,
        max_drop=max_drop,
        photos=photos,
        calibration=calibration,
        target=target,
        seed=seed,
    )
    steps = Steps()
    _show(convert_run(request, steps), steps.elapsed)


def _show(conversion: Conversion, seconds: float) -> None:
    from hawklet_converter.table import conversion_table

    click.echo(conversion_table(conversion.rows))
    for note in conversion.notes:
        click.echo(f"note: {note}")
    size = conversion.path.stat().st_size / 1e6
    click.echo(f"\n{conversion.path}  {size:.1f} MB, after {seconds:.0f} s")
    bundle = shlex.quote(str(conversion.path))
    click.echo(f"  try it here:   hawklet run {bundle} --source /dev/video0")
    click.echo(f"  put on a Pi:   hawklet flash {bundle} pi@raspberrypi.local")
