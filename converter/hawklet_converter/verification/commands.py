"""``hawklet verify``."""

from __future__ import annotations

from pathlib import Path

import click

from hawklet.option_types import NumberRange

_PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bundle", type=_PATH)
@click.option(
    "--run", type=_PATH, metavar="RUNFOLDER", help="The run it was converted from.  [default: the one it names]"
)
@click.option(
    "--photos",
    type=_PATH,
    metavar="FOLDER",
    help="Labelled pictures to verify on instead, one folder a class; or where the run's photos are now.",
)
@click.option("--split", type=click.Choice(["val", "test"]), help="Which pictures of the run.  [default: val]")
@click.option("--html", type=_PATH, metavar="FILE", help="Write a report that opens offline to this HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON in place of the tables.")
@click.option(
    "--max-drop",
    type=NumberRange(0, 100),
    metavar="P",
    help="Points of top-1 that int8 may lose.  [default: what the conversion allowed]",
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="CPU threads of one inference."
)
@click.option("--model", metavar="MODULE:FUNCTION", help="Your own network, if the run was trained with one.")
@click.option("--anyway", is_flag=True, help="Verify although pictures in --photos were trained on.")
def verify(
    bundle: Path,
    run: Path | None,
    photos: Path | None,
    split: str | None,
    html: Path | None,
    as_json: bool,
    max_drop: float | None,
    threads: int,
    model: str | None,
    anyway: bool,
) -> None:
    """Measure every file of BUNDLE anew, against the float model it was made from.

    Ends with exit code 1 where a file fails its golden frames or loses more than it may.
    """
    import json

    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from hawklet.safefiles import require_writable
    from hawklet_converter.steps import Steps
    from hawklet_converter.verification.request import VerifyRequest
    from hawklet_converter.verification.tables import verification_table
    from hawklet_converter.verification.verify_bundle import verify as verify_bundle

    if html:
        require_writable(html)  # now, not after the measurement
    found, pictures = verify_bundle(
        VerifyRequest(bundle, run, photos, split, max_drop, threads, model, anyway), Steps()
    )
    if html:
        from hawklet_converter.verification.report import write_report

        write_report(found, [photo.place for photo in pictures.photos], html)
    click.echo(json.dumps(found.to_dict(), ensure_ascii=False) if as_json else verification_table(found))
    if html and not as_json:
        click.echo(f"\nreport written to {html}")
    if not found.passed:
        raise click.exceptions.Exit(1)
