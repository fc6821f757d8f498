"""``hawklet models`` and ``hawklet weights``. Everything heavy is imported when a command is called."""

from __future__ import annotations

from pathlib import Path

import click

from hawklet.errors import UsageError


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--measure", is_flag=True, help="Measure the latency of each on this machine, and keep it.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures too.")
def models(names: tuple[str, ...], measure: bool, json_path: Path | None) -> None:
    """List the networks: size, multiplications, latency on this machine, and where their weights are.

    NAME chooses some of them, or your own module:function.
    """
    from rich.console import Console

    from hawklet.safefiles import require_writable, write_json
    from hawklet_trainer.model_table import print_facts
    from hawklet_trainer.models.catalogue import as_json, facts_of
    from hawklet_trainer.models.registry import MODELS, model_entry

    entries = [model_entry(name) for name in names or MODELS]
    if json_path is not None:
        require_writable(json_path)
    facts = facts_of(entries, (lambda name: click.echo(f"measuring {name}", err=True)) if measure else None)
    print_facts(Console(), facts)
    if json_path is not None:
        write_json(json_path, as_json(facts))


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
