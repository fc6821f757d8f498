"""The command line: a table of names, and nothing heavy until a command is called."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from hawklet import __version__
from hawklet.errors import HawkletError, MissingDependencyError


@dataclass(frozen=True)
class _Entry:
    target: str
    """``module:function`` of a Click command."""
    help: str
    extra: str
    """The extra that brings what the command imports."""


COMMANDS: dict[str, _Entry] = {
    "demo": _Entry("hawklet.commands:demo", "See the whole chain work, on cards drawn for it.", "host"),
    "data": _Entry("hawklet_trainer.data_commands:data", "Bring photos in, split, check and look at them.", "train"),
    "train": _Entry("hawklet_trainer.train_command:train", "Fine-tune a classifier on a folder of photos.", "train"),
    "evaluate": _Entry(
        "hawklet_trainer.evaluate_command:evaluate", "Measure a run or a bundle, class by class.", "train"
    ),
    "crossval": _Entry(
        "hawklet_trainer.crossval_command:crossval", "Measure a training on every picture, fold by fold.", "train"
    ),
    "tune": _Entry("hawklet_trainer.tune_command:tune", "Search the options that train best.", "tune"),
    "convert": _Entry(
        "hawklet_converter.commands:convert", "Prune and quantize a run to a verified bundle.", "convert"
    ),
    "inspect": _Entry(
        "hawklet_converter.inspect.commands:inspect", "Tell what a model file or bundle really is.", "convert"
    ),
    "verify": _Entry(
        "hawklet_converter.verification.commands:verify", "Measure a bundle anew, against its float model.", "convert"
    ),
    "package": _Entry(
        "hawklet_converter.package_commands:package", "Make a bundle of other people's models.", "convert"
    ),
    "flash": _Entry("hawklet_hardware.commands:flash", "Put a bundle on a board over SSH and prove it there.", "flash"),
    "run": _Entry("hawklet.commands:run", "Classify live camera frames, a video or pictures.", "device"),
    "bench": _Entry("hawklet_benchmarks.commands:bench", "Measure latency, memory and stages of a model.", "bench"),
    "compare": _Entry("hawklet_benchmarks.commands:compare", "Compare two benchmark reports.", "bench"),
    "models": _Entry("hawklet_trainer.model_commands:models", "List the networks, their size and speed.", "train"),
    "weights": _Entry("hawklet_trainer.model_commands:weights", "List and fetch pretrained weights.", "train"),
}


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    """A reader of our output (such as head) that has left ends the program quietly; Click would call it a failure."""
    try:
        yield
    except BrokenPipeError:
        # Stdout is pointed elsewhere so that the interpreter's exit does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(0) from None


class _LazyGroup(click.Group):
    """Shows the table's help without importing a command, and imports only the one that is called."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        with _reader_may_leave():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module_name, function_name = entry.target.split(":")
        try:
            command = getattr(importlib.import_module(module_name), function_name)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("hawklet"):
                raise
            raise MissingDependencyError.for_extra(str(error.name), entry.extra, f"hawklet {cmd_name}") from error
        assert isinstance(command, click.Command), entry.target  # noqa: S101 -- a slip in the table above, not user input
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else "; see hawklet --help"
            raise click.UsageError(f"there is no command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hawklet")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def hawklet(debug: bool) -> None:
    """From a folder of photos to a verified int8 classifier running live on a Raspberry Pi or Jetson."""


def main(argv: list[str] | None = None) -> None:
    """Entry point: run a command and exit with 0, 1 (failure) or 2 (usage)."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    # --debug is taken wherever it stands, so that it can be added to the end of a command that failed.
    arguments = [argument for argument in arguments if argument != "--debug"]
    sys.exit(_run(arguments, debug))


def _show_traceback(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _run(arguments: list[str], debug: bool) -> int:
    try:
        result = hawklet.main(args=arguments, prog_name="hawklet", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except HawkletError as error:
        _show_traceback(debug)
        click.echo(f"hawklet: {error}", err=True)
        return error.exit_code
    except OSError as error:
        _show_traceback(debug)
        click.echo(f"hawklet: {error.strerror or error}" + (f": {error.filename}" if error.filename else ""), err=True)
        return 1
    except Exception as error:  # noqa: BLE001 -- the last resort: no traceback reaches a user unasked
        _show_traceback(debug)
        click.echo(
            f"hawklet: internal error, please report it: {type(error).__name__}: {error} "
            "(add --debug for the traceback)",
            err=True,
        )
        return 1
