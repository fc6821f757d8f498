"""``hawklet demo``."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=_PATH, default=Path("demo"), show_default=True, help="Folder for all that the demo makes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the photos, the split and the training.")
@click.option("--per-class", type=int, default=160, show_default=True, help="Photos of each card.")
@click.option("--shown", type=int, default=20, show_default=True, help="Cards shown to the live model.")
@click.option(
    "--print-cards", type=_PATH, metavar="FILE", help="Only write the cards to print, as .pdf or .png, and end."
)
def demo(out: Path, seed: int, per_class: int, shown: int, print_cards: Path | None) -> None:
    """See the whole chain work on cards drawn for it: train, quantize, benchmark, classify live. About 10 minutes."""
    from hawklet.cards import print_sheet
    from hawklet.demo import DemoArgs, run_demo

    if print_cards is not None:
        print_sheet(print_cards)
        click.echo(f"cards written to {print_cards}: print the sheet at 100 %, cut the cards out, hold one up")
        return
    run_demo(DemoArgs(out, seed, per_class, shown), click.echo)
