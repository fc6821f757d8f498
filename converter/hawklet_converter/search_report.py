"""The page in a bundle that says what was tried, what it lost, and what was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from hawklet.spec import ModelFormat
from hawklet_converter.pruning.draw_sheet import KINDS, NARROW, WIDE, draw_sheet, legend_mark
from hawklet_converter.pruning.sheet import Point
from hawklet_converter.request import Row


def search_report(name: str, provenance: Mapping[str, Any], rows: Sequence[Row], notes: Sequence[str]) -> str:
    """One HTML document that opens offline, in light and dark.

    Args:
        name: The bundle's name.
        provenance: As the manifest has it.
        rows: The files of the bundle, as measured.
        notes: What a reader of the tables must know.
    """
    loader = ChoiceLoader([PackageLoader("hawklet_converter"), PackageLoader("hawklet_trainer")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    found = provenance.get("quantization")
    tried = [_shown(row, found, provenance["max_drop"]) for row in found["tried"]] if found else []
    return environment.get_template("search.html.j2").render(
        name=name,
        facts=provenance,
        pruning=_pruning(provenance),
        found=found,
        rejecting=provenance.get("rejecting"),
        tried=tried,
        rows=rows,
        notes=notes,
    )


def _shown(row: Mapping[str, Any], found: Mapping[str, Any], max_drop: float) -> dict[str, Any]:
    """A row of the table with what the page needs besides: whether it was taken, and its bars."""
    share = [row["ms"][f] / row["float_ms"][f] for f in row["ms"] if row["float_ms"].get(f)]
    return {
        **row,
        "taken": (row["recipe"], row["method"]) == (found["recipe"], found["method"]),
        "keeps": row["drop"] <= max_drop + 1e-9,
        "agreement": min(row["agreement"].values()),
        "divergence": max(row["divergence"].values()),
        "speed": min(share) if share else None,
        "megabytes": _both({f: size / 1e6 for f, size in row["bytes"].items()}),
        "times": _both(row["ms"]),
        "float_times": _both(row["float_ms"]),
    }


def _both(numbers: Mapping[str, float]) -> str:
    """Of TFLite and of ONNX; a dash where a file was not timed."""
    return " / ".join(f"{numbers[f.value]:.2f}" if f.value in numbers else "-" for f in ModelFormat)


def _pruning(provenance: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the page shows of a pruning; None where nothing was pruned."""
    facts = provenance.get("pruning")
    if facts is None:
        return None
    points = [Point(**point) for point in facts["points"]]
    pictures = provenance["data"]["counts"]["val"]
    chosen = next(point for point in points if point.chosen)
    return {
        **facts,
        "points": points,
        "untimed": sum(point.ms is None for point in points),
        "drawings": [draw_sheet(points, size) for size in (WIDE, NARROW)],
        "legend": [(kind, legend_mark(kind, True)) for kind in KINDS if any(p.kind == kind for p in points)],
        "hollow": legend_mark(chosen.kind, False),
        "chosen": chosen,
        "winner": next((point for point in points if point.run == facts["recommended"]), chosen),
        "pictures": pictures,
        "one_picture": 100 / pictures,
        "what": "the multiplications" if facts["asked"]["macs"] else "the unpruned file's time",
    }
