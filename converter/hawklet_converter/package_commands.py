"""``hawklet package``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hawklet_converter.package import Packaged

_PATH = click.Path(path_type=Path)
REPLACED = "; replaced the bundle that was there"
"""What is said of a bundle's path, where a bundle was there before."""


@click.command()
@click.argument("models", metavar="MODEL...", type=_PATH, nargs=-1, required=True)
@click.option("--labels", type=_PATH, help="A text file with one label a line.  [default: those inside the model]")
@click.option("--normalize", help="Float models: 0..255, 0..1, -1..1 or imagenet.  [default: what the file says]")
@click.option("--fit", type=click.Choice(["crop", "squash"]), default="squash", show_default=True)
@click.option("--name", help="Name of the bundle.  [default: the first model's]")
@click.option("--photos", type=_PATH, help="Pictures for golden frames; folders named as labels measure top-1.")
@click.option("-o", "--output", type=_PATH, help="The bundle.  [default: NAME.hawklet]")
def package(
    models: tuple[Path, ...],
    labels: Path | None,
    normalize: str | None,
    fit: str,
    name: str | None,
    photos: Path | None,
    output: Path | None,
) -> None:
    """Make a bundle of other people's classifiers, .tflite or .onnx, with golden frames.

    Several MODELs of the same labels and input size become variants of one bundle, the preferred one first.
    """
    from hawklet.spec import Fit
    from hawklet_converter.package import PackageRequest
    from hawklet_converter.package import package as make_bundle

    show(make_bundle(PackageRequest(models, labels, normalize, Fit(fit), name, photos, output)))


def show(made: Packaged) -> None:
    """Say what a bundle holds and what was measured."""
    for variant in made.manifest.variants:
        top = "not measured" if variant.accuracy is None else f"{variant.accuracy:.1f} %"
        click.echo(f"{variant.name:20} {variant.bytes / 1e6:6.2f} MB  {variant.output.value}, top-1 {top}")
    for note in made.notes:
        click.echo(f"note: {note}")
    click.echo(f"{made.path}{REPLACED if made.replaced else ''}")
