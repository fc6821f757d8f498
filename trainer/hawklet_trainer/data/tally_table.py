"""A tally on a terminal: a line for each class, a column for each split."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from hawklet_trainer.data.tally import Tally, escaped

_MOST_CLASSES = 20
"""In the table; of more of them the first ones."""


def tally_table(tally: Tally) -> Table:
    """Pictures by class and split, and of all classes; classes beyond the first 20 are counted alone."""
    table = Table("class", box=None, header_style="bold")
    for split in tally.splits:
        table.add_column(split or "in no split", justify="right")
    for label in tally.classes[:_MOST_CLASSES]:
        table.add_row(Text(escaped(label)), *(str(tally.counts[label][split]) for split in tally.splits))
    more = len(tally.classes) - _MOST_CLASSES
    if more > 0:
        table.add_row(Text(f"... and {more} more"))
    table.add_row(Text("all", style="bold"), *(str(tally.of_split(split)) for split in tally.splits))
    return table
