"""The HTML report of a verification: one file that opens offline, in light and dark, with the pictures that moved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hawklet import safefiles
from hawklet.spec import Precision
from hawklet_converter.verification import plots
from hawklet_converter.verification.checks import chance
from hawklet_converter.verification.verification import ClassChange, Measured, Verification
from hawklet_trainer.data import Place
from hawklet_trainer.evaluation import charts
from hawklet_trainer.thumbnail import thumbnail
from hawklet_trainer.time_text import moment

_CLASSES = 24


def write_report(found: Verification, photos: Sequence[Place], path: str | os.PathLike[str]) -> None:
    """Write the report, whole or not at all.

    Args:
        found: What it shows.
        photos: The pictures verified on, in their order.
        path: The HTML file.
    """
    safefiles.write_text(path, render(found, photos))


def render(found: Verification, photos: Sequence[Place]) -> str:
    """The report as one HTML document without references to anything outside it."""
    environment = Environment(
        loader=PackageLoader("hawklet_converter.verification"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["moment"] = moment
    return environment.get_template("verification.html.j2").render(_page(found, photos))


def _page(found: Verification, photos: Sequence[Place]) -> dict[str, Any]:
    files = [row for row in found.rows if row.bytes is not None]
    return {
        "found": found,
        "failed": [check for check in found.checks if not check.passed],
        "verdicts": [_verdict(row) for row in found.rows if _is_judged(row)],
        "curves": [(row, charts.reliability(row.uncalibrated.bins, row.calibrated.bins)) for row in files],
        "changes": [_changes(row) for row in found.rows if _is_judged(row)],
        "gallery": [(moved, thumbnail(photos[moved.position])) for moved in found.moved],
    }


def _is_judged(row: Measured) -> bool:
    """Whether a row's difference is worth a sentence and a drawing: that of two float files is not."""
    return row.against is not None and row.precision is not Precision.FLOAT32


def _verdict(row: Measured) -> str:
    assert row.against is not None, "only judged rows have a verdict"  # noqa: S101 -- narrows the type
    if not row.against.lost and not row.against.gained:
        return f"{row.name} names the same pictures rightly as {row.against.reference}."
    return f"{row.name}: its difference from {row.against.reference} is {chance(row.against)}."


def _changes(row: Measured) -> dict[str, Any]:
    assert row.against is not None, "only judged rows have changes"  # noqa: S101 -- narrows the type
    shown = _worth_showing(row.against.classes)
    return {
        "name": row.name,
        "reference": row.against.reference,
        "shown": shown,
        "left_out": len(row.against.classes) - len(shown),
        "plot": plots.class_changes(shown) if shown else None,
    }


def _worth_showing(classes: Sequence[ClassChange]) -> list[ClassChange]:
    """All classes of a small model; of a large one those that changed most."""
    if len(classes) <= _CLASSES:
        return list(classes)
    changed = [one for one in classes if one.changed]
    return sorted(changed, key=lambda one: -abs(one.variant - one.reference))[:_CLASSES]
