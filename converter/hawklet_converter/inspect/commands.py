"""``hawklet inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hawklet_converter.inspect.examine import Depth, Examination


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--layers", is_flag=True, help="List every layer, not the largest alone.")
@click.option("--latency", is_flag=True, help="Measure every layer on one thread of this machine; some seconds.")
@click.option("--run/--no-run", "run_it", default=True, help="Load the model in its runtime too, or read it alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the machine-readable form instead.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="PAGE", help="Also write a page with the graph by layer latency."
)
def inspect(file: Path, layers: bool, latency: bool, run_it: bool, as_json: bool, html: Path | None) -> None:
    """Tell what a model file really is.

    FILE is a .tflite or .onnx of anyone's, or a bundle. The exit code is 1 if a bundle is not what it claims.
    """
    from hawklet.errors import UsageError
    from hawklet.safefiles import require_writable
    from hawklet_converter.inspect.examine import Depth

    if not run_it and (latency or html):
        raise UsageError("--latency and --html measure layers, which --no-run forbids; drop one of them")
    if html is not None:
        require_writable(html)
    found = _examine(file, Depth(run_it, latency or html is not None))
    click.echo(_text(found, layers, as_json))
    if html is not None:
        from hawklet_converter.inspect.html import write_page

        write_page(found, html)
        click.echo(f"wrote {html}", err=True)
    if found.is_a_lie:
        raise click.exceptions.Exit(1)


def _examine(file: Path, depth: Depth) -> Examination:
    from hawklet_converter.inspect.examine import examine
    from hawklet_converter.steps import Steps

    steps = Steps(silent=not depth.latency)
    return examine(file, depth, lambda name: steps.note(f"measuring the layers of {name}"))


def _text(found: Examination, layers: bool, as_json: bool) -> str:
    if as_json:
        import json

        from hawklet_converter.inspect.as_json import to_dict

        return json.dumps(to_dict(found), indent=1, ensure_ascii=False, allow_nan=False)
    from hawklet_converter.inspect.page import page

    return page(found, all_layers=layers)
