"""``hawklet models`` and ``hawklet weights``. Everything heavy is imported when a command is called."""

from __future__ import annotations

import click

from hawklet.errors import UsageError


@click.group()
def weights() -> None:
    """List and fetch pretrained weights."""


@weights.command("list")
def list_weights() -> None:
    """Show every network's weights, and where they are or would come from."""
    from hawklet_trainer.models.registry import MODELS
    from hawklet_trainer.models.weights import cache_folder, describe

    for entry in MODELS.values():
        if entry.weights is not None:
            click.echo(f"{entry.name}: {describe(entry.weights)}")
    click.echo(f"the cache: {cache_folder()}")


@weights.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Fetch and check the pretrained weights of the network NAME; prints the file's path."""
    from hawklet_trainer.models.registry import model_entry
    from hawklet_trainer.models.weights import fetch as fetch_file

    entry = model_entry(name).weights
    if entry is None:
        raise UsageError(f"a network of your own has no published weights to fetch, got {name}")
    click.echo(fetch_file(entry, lambda line: click.echo(line, err=True)))
