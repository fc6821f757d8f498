"""A survey on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hawklet_trainer.data.showing.sizes import Sizes, Spread, megapixels
from hawklet_trainer.data.showing.survey import Survey
from hawklet_trainer.data.tally import escaped
from hawklet_trainer.terminal_lines import print_line

_MOST_CLASSES = 40
"""In the table; of more of them the largest and the smallest."""
_MOST_NAMED = 10
"""Unreadable pictures, and classes without any, that are named."""


def print_survey(console: Console, survey: Survey) -> None:
    """Counts of classes and splits, sizes, and what cannot be read."""
    console.print(_table(survey))
    for line in (*_balance(survey), *(_sizes(survey.sizes, survey.tally.total) if survey.sizes else ())):
        print_line(console, line)
    count = len(survey.unreadable)
    if count:
        named = [f"cannot be read, of those looked at: {count}", *survey.unreadable[:_MOST_NAMED]]
        more = [f"... and {count - _MOST_NAMED} more"] if count > _MOST_NAMED else []
        for line in (*named, *more):
            print_line(console, line)


def _table(survey: Survey) -> Table:
    splits, total = survey.tally.splits, survey.tally.total
    several = len(splits) > 1
    table = Table("class", box=None, header_style="bold")
    for name in (*survey.splits.values(), *(("all",) if several else ()), "share"):
        table.add_column(name, justify="right")

    def row(label: Text, counts: list[int], count: int) -> None:
        table.add_row(label, *map(str, counts), *([str(count)] if several else []), f"{100 * count / total:.1f} %")

    classes = survey.by_size
    half = _MOST_CLASSES // 2
    for number, (label, count) in enumerate(classes):
        if len(classes) <= _MOST_CLASSES or not half <= number < len(classes) - half:
            row(Text(escaped(label)), [survey.tally.counts[label][split] for split in splits], count)
        elif number == half:
            table.add_row(Text(f"... {len(classes) - _MOST_CLASSES} more ..."))
    if len(classes) > 1:
        row(Text("all", style="bold"), [survey.tally.of_split(split) for split in splits], total)
    return table


def _balance(survey: Survey) -> list[str]:
    filled = [(label, count) for label, count in survey.by_size if count]
    empty = [escaped(label) for label, count in survey.by_size if not count]
    named = ", ".join(empty[:_MOST_NAMED]) + (f" and {len(empty) - _MOST_NAMED} more" if empty[_MOST_NAMED:] else "")
    return [*([f"without pictures: {named}"] if empty else []), _balance_of(filled, survey.imbalance)]


def _balance_of(filled: list[tuple[str, int]], imbalance: float) -> str:
    if len(filled) < 2:
        return "one class alone: a classifier needs at least two"
    (largest, most), (smallest, least) = filled[0], filled[-1]
    if most == least:
        return "balance: every class has as many pictures"
    return (
        f"balance: {escaped(largest)} has {imbalance:.1f} times the pictures of {escaped(smallest)} "
        f"({most} and {least})"
    )


def _sizes(sizes: Sizes, total: int) -> list[str]:
    sampled = "" if sizes.pictures == total else f" (of {sizes.pictures} of the pictures)"
    formats = ", ".join(f"{name} {100 * count / sizes.pictures:.1f} %" for name, count in sizes.formats.items())
    return [
        f"least, median, most{sampled}: width {_whole(sizes.width)}, height {_whole(sizes.height)}, "
        f"megapixels {_megapixels(sizes.megapixels)}, width / height {_exact(sizes.shape)}",
        f"formats: {formats}",
    ]


def _whole(spread: Spread) -> str:
    return f"{spread.least:.0f} {spread.median:.0f} {spread.most:.0f}"


def _megapixels(spread: Spread) -> str:
    return " ".join(map(megapixels, (spread.least, spread.median, spread.most)))


def _exact(spread: Spread) -> str:
    return f"{spread.least:.2f} {spread.median:.2f} {spread.most:.2f}"
