"""How the list of networks looks on a terminal, 80 columns wide."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hawklet_trainer.models.catalogue import ModelFacts, Weights
from hawklet_trainer.models.latency import HOW, conditions
from hawklet_trainer.terminal_lines import print_line


def print_facts(console: Console, facts: Sequence[ModelFacts]) -> None:
    """The table, and below it what its figures mean."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", no_wrap=True)
    for title in ("side", "parameters", "MACs", "ms"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("float in int8", no_wrap=True)
    table.add_column("weights")
    for each in facts:
        table.add_row(*_row(each))
    console.print(table)
    for line in _notes(facts):
        print_line(console, line)


def _row(facts: ModelFacts) -> tuple[str, ...]:
    return (
        facts.name,
        str(facts.side),
        f"{facts.parameters / 1e6:.1f} M",
        f"{facts.macs / 1e6:.0f} M",
        "-" if facts.latency_ms is None else f"{facts.latency_ms:.1f}",
        facts.stays_float,
        "its own" if facts.weights is None else _weights(facts.weights),
    )


def _weights(weights: Weights) -> str:
    """Where the file is, or the kind of place that is asked first; ``hawklet weights list`` names them all."""
    if weights.here:
        return "here"
    place = weights.sources[0].split()[0]
    return ".".join(place.split(".")[-2:])


def _notes(facts: Sequence[ModelFacts]) -> list[str]:
    lines = [
        "parameters and MACs (multiply-accumulate operations of a picture): with 1000 classes, at the native side",
        f"ms: {HOW}; {conditions()}",
    ]
    if any(each.weights is not None and not each.weights.here for each in facts):
        lines.append("weights: whether they are on this machine, else where training fetches them from")
    if any(each.latency_ms is None for each in facts):
        lines.append("-: not measured on this machine yet; hawklet models --measure does it")
    if any(each.stays_float for each in facts):
        lines.append("float in int8: operations that int8 files compute in float")
    return lines
