"""``hawklet data``: photos brought in, split, checked and shown. Heavy things are imported when a command is called."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from hawklet.option_types import SEED, NumberRange
from hawklet_trainer.import_commands import import_photos


@click.group()
def data() -> None:
    """Bring photos in, split, check and look at them."""


data.add_command(import_photos)


@data.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("destination", type=click.Path(path_type=Path), metavar="DST")
@click.option("--val", type=NumberRange(0, 1, max_open=True), default=0.15, show_default=True, help="Share; 0: none.")
@click.option("--test", type=NumberRange(0, 1, max_open=True), default=0.15, show_default=True, help="Share; 0: none.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the shuffling.")
@click.option(
    "--groups",
    default="group",
    show_default=True,
    metavar="COLUMN",
    help="The index's column of what goes into one split together.",
)
@click.option("--anew", is_flag=True, help="Split all pictures, those that are in a split already too.")
@click.option("--keep-similar-together", is_flag=True, help="Put near duplicates into one split; decodes all.")
def split(photos: Path, destination: Path, groups: str, **options: Any) -> None:
    """Write an index of PHOTOS with the split of every picture: DST/index.csv, or DST where it ends with .csv.

    Class by class, with copies of a picture and the pictures of a group kept together. Splits that PHOTOS has are kept,
    and the others taken from its training pictures. PHOTOS itself is only read.
    """
    from rich.console import Console

    from hawklet_trainer.data.split_index import SplitOptions, split_index
    from hawklet_trainer.data.tally_table import tally_table
    from hawklet_trainer.import_commands import closing_line

    index, tally = split_index(photos, destination, SplitOptions(group=groups, **options), click.echo)
    Console().print(tally_table(tally))
    if not options["keep_similar_together"]:
        click.echo(
            f"the pictures were not opened; which cannot be read, tells: hawklet data check {shlex.quote(str(index))}"
        )
    click.echo(closing_line(tally, index))


@data.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option(
    "--html",
    "html_file",
    type=click.Path(path_type=Path),
    default="photos.html",
    show_default=True,
    metavar="FILE",
    help="The page with pictures.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures here too."
)
@click.option(
    "--per-class",
    type=click.IntRange(1, 1000),
    default=24,
    show_default=True,
    help="Pictures of each class on the page, where it has room for as many.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "light", "medium", "strong", "camera"]),
    help="Show too what training with this --augment makes of some pictures.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of what is sampled.")
def show(photos: Path, html_file: Path, json_file: Path | None, per_class: int, augment: str | None, seed: int) -> None:
    """Count and show PHOTOS: classes, splits, sizes, and a contact sheet of each class, on a page that opens offline.

    PHOTOS is a folder with one folder of pictures per class, or an index. It is shown where training would refuse it
    too, and only read.
    """
    from rich.console import Console

    from hawklet.safefiles import require_writable, write_json
    from hawklet_trainer.data.showing.console import print_survey
    from hawklet_trainer.data.showing.page import write_page
    from hawklet_trainer.data.showing.survey import augmented, survey

    for file in (html_file, json_file):
        if file is not None:
            require_writable(file)
    found, sample = survey(photos, per_class, seed, lambda line: click.echo(line, err=True))
    print_survey(Console(), found)
    write_page(html_file, found, augmented(sample, augment, seed) if augment else None)
    if json_file is not None:
        write_json(json_file, found.to_dict())
    click.echo(f"page: {html_file}")


@data.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with pictures of it."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write all of it here.")
@click.option(
    "--fix",
    type=click.Path(path_type=Path),
    metavar="NEW",
    help="Write an index without what was found: NEW/index.csv, or NEW where it ends with .csv.",
)
@click.option("--fix-labels", is_flag=True, help="Leave pictures whose label is probably wrong out of it, too.")
@click.option("--quick", is_flag=True, help="Decode nothing: only what the files say by themselves.")
@click.option(
    "--labels/--no-labels",
    default=None,
    help="Look for labels that are probably wrong  [default: where hawklet[data] is installed]",
)
@click.option("--strict", is_flag=True, help="End with exit code 1 on warnings, too.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the folds that labels are judged in.")
@click.option("--workers", type=click.IntRange(1, 256), help="Threads  [default: one for each core, at most 4]")
def check(
    photos: Path,
    html_file: Path | None,
    json_file: Path | None,
    fix: Path | None,
    fix_labels: bool,
    quick: bool,
    labels: bool | None,
    strict: bool,
    seed: int,
    workers: int | None,
) -> int:
    """Check PHOTOS: what cannot be read, copies, leaks between splits, odd pictures, and labels that seem wrong.

    PHOTOS is a folder with one folder of pictures per class, or an index. It is only read. Ends with exit code 1 where
    errors were found, which training would refuse or leave out.
    """
    from hawklet_trainer.threads import wait_without_spinning

    wait_without_spinning()
    from rich.console import Console

    from hawklet.safefiles import require_writable, write_json
    from hawklet_trainer.data.checking import CheckOptions, check_photos
    from hawklet_trainer.data.checking.console import ConsoleWatcher, next_step, print_check
    from hawklet_trainer.data.checking.fix import require_fixable, write_fixed
    from hawklet_trainer.data.checking.page import write_page
    from hawklet_trainer.data.checking.result import to_dict
    from hawklet_trainer.data.photo_set import WORKERS
    from hawklet_trainer.import_commands import closing_line

    require_fixable(photos, fix, fix_labels=fix_labels, labels=labels, quick=quick)
    for file in (html_file, json_file):
        if file is not None:
            require_writable(file)
    console = Console()
    with ConsoleWatcher(console) as watcher:
        checked = check_photos(photos, CheckOptions(quick, labels, seed, workers or WORKERS), watcher)
    print_check(console, checked)
    if html_file is not None:
        write_page(html_file, checked)
        click.echo(f"page: {html_file}")
    if json_file is not None:
        write_json(json_file, to_dict(checked))
    if fix is not None:
        fixed = write_fixed(checked, fix, labels=fix_labels)
        for line in (*fixed.lines(), closing_line(fixed.tally, fixed.index)):
            click.echo(line)
    else:
        click.echo(f"next: {next_step(checked, html_file)}")
    return checked.exit_code(strict)
