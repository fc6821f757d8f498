"""``hawklet data``: photos brought in, split, checked and shown. Heavy things are imported when a command is called."""

from __future__ import annotations

import click


@click.group()
def data() -> None:
    """Bring photos in, split, check and look at them."""
