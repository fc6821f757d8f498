"""``hawklet data import KIND``: a sub-command for each importer, with the options that are its fields."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hawklet.option_types import NumberRange

if TYPE_CHECKING:
    from hawklet_trainer.data.importing import Importer, Record
    from hawklet_trainer.data.tally import Tally


class _Kinds(click.Group):
    """The importers, which are looked up when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See :meth:`click.Group.list_commands`."""
        from hawklet_trainer.data.importing import IMPORTERS

        return list(IMPORTERS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See :meth:`click.Group.get_command`."""
        from hawklet_trainer.data.importing import IMPORTERS

        return _command_of(IMPORTERS[cmd_name]) if cmd_name in IMPORTERS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """See :meth:`click.Group.resolve_command`."""
        kinds = self.list_commands(ctx)
        if args[0] not in kinds and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], kinds, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(kinds)}"
            raise click.UsageError(f"there is no kind of source '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group("import", cls=_Kinds, subcommand_metavar="KIND SRC DST [OPTIONS]")
def import_photos() -> None:
    """Bring photos in from SRC, of one KIND of layout, as an index in the new folder DST.

    Pictures that are files stay where they are, and nothing of SRC is changed. DST gets index.csv, import.json (what
    came from where, and what was left out) and those pictures that were no files yet.
    """


def _command_of(importer: type[Importer]) -> click.Command:
    def run(source: Path, destination: Path, **options: Any) -> None:
        from hawklet_trainer.data.importing import import_photos

        record = import_photos(importer(**options), source, destination, click.echo)
        _print(record, destination)

    path = click.Path(path_type=Path)
    parameters: list[click.Parameter] = [
        click.Argument(["source"], type=path, metavar="SRC"),
        click.Argument(["destination"], type=path, metavar="DST"),
    ]
    if dataclasses.is_dataclass(importer):
        parameters += [_option_of(field) for field in dataclasses.fields(importer)]
    help = importer.summary
    return click.Command(importer.kind, callback=run, params=parameters, help=help, short_help=help)


def _option_of(field: dataclasses.Field[Any]) -> click.Option:
    """An importer's field as an option; its kind is that of its default, of which None stands for a path."""
    name, default, about = f"--{field.name.replace('_', '-')}", field.default, field.metadata
    if isinstance(default, bool):
        return click.Option(
            [f"{name}/--no-{name[2:]}", field.name], default=default, show_default=True, help=about["help"]
        )
    if isinstance(default, tuple):
        return click.Option([name, field.name], default="", callback=_names, metavar="NAME,...", help=about["help"])
    bounds = (about["at_least"], about["at_most"])
    kinds = {int: click.IntRange(*bounds), float: NumberRange(*bounds), str: click.STRING}
    kind = click.Choice(about["choices"]) if about["choices"] else kinds.get(type(default), click.Path(path_type=Path))
    return click.Option(
        [name, field.name],
        type=kind,
        default=default or None,
        callback=lambda context, parameter, value: default if value is None else value,
        show_default=bool(default),
        help=about["help"],
    )


def _names(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _print(record: Record, destination: Path) -> None:
    from rich.console import Console

    from hawklet_trainer.data.tally import Tally
    from hawklet_trainer.data.tally_table import tally_table

    tally = Tally.of(record.counts)
    Console().print(tally_table(tally))
    for line in record.lines():
        click.echo(line)
    click.echo(closing_line(tally, destination, record.contradicting))


def closing_line(tally: Tally, place: Path, contradicting: int = 0) -> str:
    """What is to be done with an index: training, or what it must be made fit for training by.

    Args:
        tally: Of its pictures.
        place: The index, or its folder.
        contradicting: Lines that give a picture another label or group than an earlier one.
    """
    from hawklet_trainer.data.fitness import can_be_trained_on, obstacle

    name, stem = shlex.quote(str(place)), str(place).removesuffix(".csv")
    if contradicting:
        return f"next: hawklet data check {name} --fix {shlex.quote(f'{stem}-clean')}"
    if reason := obstacle(tally):
        return f"not fit for training yet: {reason}"
    if can_be_trained_on(tally.splits):
        return f"next: hawklet train {name}"
    return f"next: hawklet data split --anew {name} {shlex.quote(f'{stem}-split')}"
