"""``hawklet convert``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hawklet.errors import UsageError
from hawklet.option_types import SEED, Duration, NumberRange, Sweep
from hawklet_converter.keras.options import (
    KERAS_ONLY,
    is_keras,
    keras_options,
    refuse_keras_options,
    typed_options,
)
from hawklet_hardware.login_options import LOGIN_OPTIONS, login_from, login_options, require_ssh
from hawklet_hardware.target_option import HOST, TargetName

if TYPE_CHECKING:
    from hawklet_converter.request import Conversion
    from hawklet_hardware.latency.remote import BoardAccess


_SEARCH_S, _PRUNING_S = 600.0, 1500.0


@click.command()
@click.pass_context
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--recipe",
    metavar="NAME",
    help="What to make beside float32, as --list-recipes has it.  [default: int8, then int8-mixed, then int8-qat]",
)
@click.option("--list-recipes", is_flag=True, help="Say what recipes there are, and what each costs and keeps.")
@click.option(
    "--prune",
    type=NumberRange(0, 0.9),
    default=0.0,
    metavar="SHARE",
    help="Remove channels until the int8 file takes this share less of its measured time, as 0.4.",
)
@click.option(
    "--prune-macs", type=NumberRange(0, 0.9), default=0.0, metavar="SHARE", help="Cut this share of the MACs instead."
)
@click.option(
    "--sweep",
    type=Sweep(),
    default=(),
    metavar="FROM:TO:STEP",
    help="Prune by one share after the other, as 0.1:0.7:0.1, and take the fastest that keeps --max-drop.",
)
@click.option("--prune-epochs", type=click.IntRange(0), default=12, show_default=True, help="Most epochs of recovery.")
@click.option(
    "--teacher", type=click.Path(path_type=Path), help="A run that teaches what was pruned.  [default: unpruned RUN]"
)
@click.option(
    "--baselines/--no-baselines",
    default=True,
    help="Train networks of the pruned one's latency as long, and compare.  [default: do]",
)
@click.option("--model", metavar="MODULE:FUNCTION", help="Your own network, if the run was trained with one.")
@click.option(
    "--max-drop",
    type=NumberRange(0, 100),
    default=1.0,
    show_default=True,
    help="Points of validation top-1 that may be lost; else no bundle.",
)
@click.option(
    "--budget",
    type=Duration(),
    help="Time to search for a plan that keeps them; with pruning, for everything.  [default: 10m; pruning 25m]",
)
@click.option(
    "--prefer",
    type=click.Choice(["first", "latency"]),
    default="first",
    show_default=True,
    help="End with the first that keeps the accuracy, or go on and take the fastest.",
)
@click.option("--resume", is_flag=True, help="Go on with what an interrupted or refused search had tried.")
@click.option(
    "--photos",
    type=click.Path(path_type=Path),
    help="Where the photos are now, if they have moved.  Keras: folders named as labels, for int8.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="Keras: a text file with one label a line.")
@click.option("--normalize", help="Keras: 0..255, 0..1, -1..1 or imagenet.  [default: 0..255, if it rescales itself]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle.  [default: NAME.hawklet]")
@click.option(
    "--calibration",
    type=click.IntRange(2),
    help="Training pictures to collect ranges on.  [default: 128, or one of each class]",
)
@click.option("--target", type=TargetName(), default=HOST, show_default=True, help="The board that the files are for.")
@click.option(
    "--precision",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Share of the accepted answers of each class that are to be right, as 0.98; others are doubtful.",
)
@click.option(
    "--accept",
    type=NumberRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Share of pictures of the classes that are to pass for familiar; others look unknown.  [default: 0.95, with "
    "--precision or --unknown]",
)
@click.option(
    "--unknown",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Pictures of no class, which rejecting is tried on.",
)
@click.option("--measure-on", metavar="USER@HOST", help="Time candidates on this board.  [default: this machine]")
@login_options
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Draws samples, and the order of recovery training.",
)
def convert(
    context: click.Context,
    /,
    run: Path | None,
    list_recipes: bool,
    prefer: str,
    budget: float | None,
    **options: Any,
) -> None:
    """Prune and quantize a run, measure every file, and write a bundle.

    RUN is a folder that hawklet train wrote, or a Keras classifier (.keras, .h5).
    """
    if list_recipes:
        _list_recipes()
        return
    if run is None:
        raise UsageError("hawklet convert takes a run folder, got none; train one with: hawklet train PHOTOS")
    if is_keras(run):
        _convert_keras(run, keras_options(options, typed_options(context)))
        return
    refuse_keras_options(typed_options(context))
    for name in KERAS_ONLY:
        del options[name]
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from hawklet_converter.convert import convert as convert_run
    from hawklet_converter.request import ConvertRequest
    from hawklet_converter.search import Prefer
    from hawklet_converter.steps import Steps
    from hawklet_trainer.evaluation.reject_option import RejectRequest

    access = _access(options)
    rejecting = RejectRequest(*(options.pop(name) for name in ("precision", "accept", "unknown")))
    prunes = options["prune"] or options["prune_macs"] or options["sweep"]
    budget_s = budget if budget is not None else _PRUNING_S if prunes else _SEARCH_S
    request = ConvertRequest(
        run=run, budget_s=budget_s, prefer=Prefer(prefer), access=access, rejecting=rejecting, **options
    )
    steps = Steps()
    _show(convert_run(request, steps), steps.elapsed)


def _convert_keras(model: Path, options: dict[str, Any]) -> None:
    from hawklet_converter.keras.convert_keras import KerasRequest, convert_keras
    from hawklet_converter.package_commands import show
    from hawklet_converter.steps import Steps

    show(convert_keras(KerasRequest(model, **options), Steps()))


def _access(options: dict[str, Any]) -> BoardAccess | None:
    """How to log in to the board, if one is named; takes its options out of the rest."""
    login = {name: options.pop(name) for name in LOGIN_OPTIONS}
    if options["measure_on"] is None:
        return None
    require_ssh("hawklet convert --measure-on")
    from hawklet_hardware.latency.remote import BoardAccess

    return BoardAccess(login_from(login))


def _list_recipes() -> None:
    from hawklet_converter.recipes import AUTO, RECIPES

    width = max(map(len, RECIPES))
    for recipe in RECIPES.values():
        click.echo(f"{recipe.name:<{width}}  costs {recipe.costs}; keeps {recipe.keeps}")
    click.echo(f"\nWithout --recipe: {', then '.join(AUTO)}, until one keeps --max-drop.")


def _show(conversion: Conversion, seconds: float) -> None:
    from hawklet_converter.package_commands import REPLACED
    from hawklet_converter.pruning.sheet import sheet_table
    from hawklet_converter.table import conversion_table, search_table

    if conversion.sheet:
        click.echo(sheet_table(conversion.sheet) + "\n")
    if len(conversion.tried) > 1:
        click.echo(search_table(conversion.tried) + "\n")
    click.echo(conversion_table(conversion.rows))
    for note in conversion.notes:
        click.echo(f"note: {note}")
    size = conversion.path.stat().st_size / 1e6
    click.echo(f"\n{conversion.path}  {size:.1f} MB, after {seconds:.0f} s{REPLACED if conversion.replaced else ''}")
    bundle = shlex.quote(str(conversion.path))
    source = "/dev/video0" if conversion.manifest.preprocess.planes == 3 else "PICTURES"  # no camera has four
    click.echo(f"  try it here:   hawklet run {bundle} --source {source}")
    click.echo(f"  put on a Pi:   hawklet flash {bundle} pi@raspberrypi.local")
