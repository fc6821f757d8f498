"""The command ``hawklet flash``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hawklet.addresses import without_secrets
from hawklet.errors import UsageError
from hawklet.option_types import NumberRange
from hawklet_hardware.login_options import login_from, login_options, require_ssh

if TYPE_CHECKING:
    from hawklet_hardware.flash.flasher import FlashReport
    from hawklet_hardware.flash.probe import BoardState
    from hawklet_hardware.ssh import Target

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[BUNDLE] USER@HOST[:PORT]")
@click.option("--source", help="Where the board takes frames from.  [default: the usual camera of the board]")
@click.option("--run-args", default="", metavar="ARGS", help="More arguments of `hawklet run` on the board, in quotes.")
@click.option(
    "--service",
    type=click.Choice(["auto", "user", "system", "none"]),
    default="auto",
    show_default=True,
    help="Which systemd unit keeps it running.",
)
@click.option("--no-service", is_flag=True, help="The same as --service none.")
@click.option(
    "--watch",
    type=NumberRange(0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="The service must stay up for so long.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "tflite", "onnx"]),
    default="auto",
    show_default=True,
    help="What executes the model there.",
)
@click.option("--wheel", type=_FILE, help="The hawklet wheel to ship.  [default: built from here, else fetched]")
@click.option("--wheelhouse", type=_FOLDER, metavar="DIR", help="Wheels to ship along, for a board without internet.")
@click.option("--python", metavar="PATH", help="Use this interpreter on the board, which has hawklet and an engine.")
@click.option("--prefix", default="~/.local/share/hawklet", show_default=True, help="hawklet's folder on the board.")
@click.option(
    "--keep", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="Releases that stay on the board."
)
@login_options
@click.option("--dry-run", is_flag=True, help="Look at the board and say what would be done.")
@click.option("--status", "show_status", is_flag=True, help="Say what the board runs and keeps; takes no BUNDLE.")
@click.option("--rollback", "go_back", is_flag=True, help="Go back to the release before; takes no BUNDLE.")
def flash(words: tuple[str, ...], show_status: bool, go_back: bool, **options: Any) -> None:
    """Put a bundle on a board over SSH and prove it there.

    Ships hawklet and BUNDLE, makes the environment, replays the golden frames on the board, switches to the new model
    in one step and starts it as a service. When a check fails, the board runs what it ran before.
    """
    require_ssh("hawklet flash")
    from hawklet_hardware.ssh import Target

    if show_status and go_back:
        raise UsageError("--status and --rollback exclude each other; give one of them")
    wanted = 1 if show_status or go_back else 2
    if len(words) != wanted:
        shape = "USER@HOST[:PORT]" if wanted == 1 else "BUNDLE USER@HOST[:PORT]"
        raise UsageError(f"hawklet flash takes {shape} here, got {' '.join(words)}")
    target = Target.parse(words[-1])
    if show_status:
        _status(target, options)
    elif go_back:
        _rollback(target, options)
    else:
        _flash(Path(words[0]), target, options)


def _flash(bundle: Path, target: Target, options: dict[str, Any]) -> None:
    from hawklet.spec import ModelFormat
    from hawklet_hardware.flash.flasher import flash as flash_board
    from hawklet_hardware.flash.options import EnvironmentOptions, FlashOptions, RunOptions, ServiceChoice

    engine = None if options["engine"] == "auto" else ModelFormat(options["engine"])
    environment = EnvironmentOptions(engine, options["wheel"], options["wheelhouse"], options["python"])
    service = ServiceChoice.NONE if options["no_service"] else ServiceChoice(options["service"])
    run = RunOptions(options["source"], _split(options["run_args"]), service, options["watch"])
    wanted = FlashOptions(environment, run, options["prefix"], options["keep"], options["dry_run"])
    report = flash_board(bundle, target, login_from(options), wanted, click.echo)
    if report is not None:
        _say_report(report, target)


def _split(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--run-args must be words as a shell takes them, got {text!r}: {error}") from error


def _say_report(report: FlashReport, target: Target) -> None:
    release = report.release
    verb = "already runs" if report.already_there else "runs"
    click.echo(f"\n{target} ({report.board}) {verb} {release.model}, release {release.id}\n")
    click.echo(f"{'golden frames':<18}{'frames':>7}{'largest diff.':>15}{'tolerance':>11}{'changed':>9}  engine")
    for row in report.golden:
        click.echo(
            f"{row.variant:<18}{row.frames:>7}{row.largest_difference:>15.2g}{row.tolerance:>11.2g}"
            f"{row.top1_changed:>9}  {row.runtime}" + ("" if row.passed else "  DIFFERS; it is not the one that runs")
        )
    if report.removed:
        click.echo(f"\ncleared away: {', '.join(report.removed)}")
    click.echo("\nnext:")
    _say_next(report, target)


def _say_next(report: FlashReport, target: Target) -> None:
    port = f"-p {target.port} " if target.port else ""
    host = f"{target.user}@{target.host}" if target.user else target.host
    if report.service:
        unit = "--user-unit" if report.service == "user" else "--unit"
        click.echo(f"  ssh {port}{host} journalctl {unit} hawklet -f")
    else:
        click.echo(f"  no service was installed; run it by hand:  ssh -t {port}{host} {report.start}")
    click.echo(f"  hawklet flash --status {target}")
    click.echo(f"  hawklet flash --rollback {target}")


def _status(target: Target, options: dict[str, Any]) -> None:
    from hawklet_hardware.flash.inspect import status
    from hawklet_hardware.flash.options import FlashOptions

    _say_status(status(target, login_from(options), FlashOptions(prefix=options["prefix"]).prefix), target)


def _say_status(state: BoardState, target: Target) -> None:
    click.echo(f"{target}: {state.model or state.machine}, {state.os}, {state.prefix}")
    if not state.history:
        click.echo("nothing was flashed there yet")
    for release_id in reversed(state.history):
        release = state.release(release_id)
        mark = "*" if release_id == state.current else " "
        what = (
            f"{release.model}, hawklet {release.hawklet_version}, {without_secrets(shlex.join(release.run))}"
            if release
            else "damaged"
        )
        click.echo(f"{mark} {release_id}  {what}")
    click.echo(f"service: {', '.join(f'active ({scope})' for scope in state.service_scopes) or 'none is active'}")


def _rollback(target: Target, options: dict[str, Any]) -> None:
    from hawklet_hardware.flash.inspect import rollback
    from hawklet_hardware.flash.options import FlashOptions, RunOptions

    wanted = FlashOptions(run=RunOptions(watch_s=options["watch"]), prefix=options["prefix"])
    release = rollback(target, login_from(options), wanted.prefix, wanted.run.watch_s)
    click.echo(f"{target} runs {release.model} again, release {release.id}; its golden frames came out as recorded")
