"""``hawklet bench`` and ``hawklet compare``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from hawklet.safefiles import require_writable

_PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=_PATH)
@click.option("--variant", help="Which model of a bundle; default: the one that `hawklet run` takes here.")
@click.option("--threads", type=int, help="CPU threads; default: all, at most 4.")
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Sampling time of all processes together.")
@click.option("--rounds", type=int, help="Rounds of all processes together, in place of --seconds.")
@click.option("--processes", type=int, default=5, show_default=True, help="Fresh processes; each is one cold start.")
@click.option("--image", type=_PATH, help="Picture to classify; default: a generated 640x480 JPEG.")
@click.option("--labels", type=_PATH, help="Bare models: text file with one label a line.")
@click.option("--normalize", help="Bare float models: 0..1, -1..1, 0..255 or imagenet.")
@click.option(
    "-o", "--output", type=_PATH, help="Write the result, with all samples and conditions, to this JSON file."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON in place of the table.")
def bench(
    model: Path,
    variant: str | None,
    threads: int | None,
    seconds: float,
    rounds: int | None,
    processes: int,
    image: Path | None,
    labels: Path | None,
    normalize: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Measure latency, memory, cold start and stages of MODEL: a bundle, or a bare .tflite or .onnx."""
    import json

    from hawklet_benchmarks.measure import Plan, measure
    from hawklet_benchmarks.summary import show_result

    if output:
        require_writable(output)  # now, not after the measurement
    plan = Plan(model, variant, labels, normalize, threads, image, seconds, rounds, processes)
    result = measure(plan, _progress)
    if output:
        result.save(output)
    if as_json:
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False))
        return
    show_result(result)
    if output:
        name = shlex.quote(str(output))
        click.echo(f"\nwritten to {output}; set it beside another: hawklet compare {name} OTHER.json")


def _progress(done: int, total: int) -> None:
    """One line on stderr that overwrites itself, and only where someone looks at it."""
    if sys.stderr.isatty():
        text = f"measuring: process {done + 1} of {total}" if done < total else ""
        click.echo(f"\r\033[K{text}", nl=False, err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("results", type=_PATH, nargs=-1, required=True, metavar="BASELINE.json OTHER.json [MORE.json...]")
@click.option("--metric", default="frame", show_default=True, help="What to judge by: frame, a stage, or invoke.")
@click.option("--clock", default="wall", show_default=True, help="wall, or cpu (less disturbed by other programs).")
@click.option("--html", type=_PATH, help="Write a report that opens offline to this HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON in place of the tables.")
@click.option("--anyway", is_flag=True, help="Compare although the conditions make it unfair.")
def compare(results: tuple[Path, ...], metric: str, clock: str, html: Path | None, as_json: bool, anyway: bool) -> None:
    """Compare benchmark results with the first of them."""
    import json

    from hawklet_benchmarks.compare import compare as compare_results
    from hawklet_benchmarks.compare import load_named
    from hawklet_benchmarks.summary import show_comparison

    if html:
        require_writable(html)
    comparison = compare_results(load_named(results), metric=metric, clock=clock, anyway=anyway)
    if html:
        from hawklet_benchmarks.report import write_report

        write_report(comparison, html)
    if as_json:
        click.echo(json.dumps(comparison.to_dict(), ensure_ascii=False))
        return
    show_comparison(comparison)
    if html:
        click.echo(f"\nreport written to {html}")
