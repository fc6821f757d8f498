"""The confusion matrix as a picture file, and as a drawing for a page."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from hawklet_trainer.evaluation.metrics import Metrics

TABLE_CLASSES = 24
"""Up to so many a matrix is a table of numbers, with more a drawing."""
_LABELLED_CLASSES = 150
"""Up to so many the drawing has names along its edges."""
_MOST_CELLS = 5000
"""Of a drawing, besides the diagonal."""
_SURE = 0.02
"""Cells below this share of their row are left blank of colour, not of number."""
_SIDE, _NAMES = 860, 150
_LETTERS = 22


@dataclass(frozen=True)
class Cell:
    """One number of the table."""

    count: int
    share: float
    """Of its row, 0..1; 0 where it is too small for a colour."""


def table(metrics: Metrics) -> list[list[Cell]]:
    """Rows are the true classes."""
    counts = np.array(metrics.confusion)
    shares = _row_shares(counts)
    return [
        [Cell(int(n), float(s) if s >= _SURE else 0.0) for n, s in zip(row, share, strict=True)]
        for row, share in zip(counts, shares, strict=True)
    ]


def drawing(metrics: Metrics) -> Markup:
    """An SVG of one square for every cell with pictures: rows are the true classes, the colour is the share of its row.

    Of very many wrong cells those with the most pictures are drawn.
    """
    labels = [entry.label for entry in metrics.per_class]
    counts = np.array(metrics.confusion)
    edge = _NAMES if len(labels) <= _LABELLED_CLASSES else 0
    size = _SIDE / len(labels)
    squares = [_square(labels, counts, row, column, size) for row, column in _drawn_cells(counts)]
    names = [_names(label, number, size) for number, label in enumerate(labels)] if edge else []
    frame = f'<rect class="frame" width="{_SIDE}" height="{_SIDE}"/>'
    return Markup(  # noqa: S704 -- names were escaped where they entered, the rest is numbers and our own words
        f'<svg class="confusion" viewBox="{-edge} {-edge} {_SIDE + edge} {_SIDE + edge}" role="img" '
        f'aria-label="Confusion matrix">{frame}{"".join(squares)}{"".join(names)}</svg>'
    )


def _drawn_cells(counts: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    wrong = counts * (1 - np.eye(len(counts), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CELLS]
    cells = [divmod(int(place), len(counts)) for place in order if wrong.flat[place]]
    return [(index, index) for index in range(len(counts)) if counts[index, index]] + cells


def _square(labels: Sequence[str], counts: npt.NDArray[np.int64], row: int, column: int, size: float) -> str:
    count, pictures = int(counts[row, column]), int(counts[row].sum())
    told = f"{labels[row]}: {count} of {pictures}" + ("" if row == column else f" named {labels[column]}")
    kind = "right" if row == column else "wrong"
    return (
        f'<rect class="{kind}" x="{column * size:.1f}" y="{row * size:.1f}" width="{size:.1f}" height="{size:.1f}" '
        f'fill-opacity="{0.15 + 0.85 * count / pictures:.2f}"><title>{escape(told)}</title></rect>'
    )


def _names(label: str, number: int, size: float) -> str:
    middle, height = (number + 0.5) * size, min(13.0, max(5.5, 0.85 * size))
    shown = escape(shortened(label))
    style = f'style="font-size:{height:.1f}px"'
    return (
        f'<text x="-5" y="{middle + height / 3:.1f}" text-anchor="end" {style}>{shown}</text>'
        f'<text transform="translate({middle + height / 3:.1f} -5) rotate(-90)" {style}>{shown}</text>'
    )


def shortened(label: str) -> str:
    """A name that fits along the edge; long ones lose their middle, since classes often begin alike."""
    if len(label) <= _LETTERS:
        return label
    return f"{label[: _LETTERS // 2]}…{label[-(_LETTERS // 2 - 1) :]}"


def png(metrics: Metrics) -> bytes:
    """A PNG; rows are the true classes, shares of the row as colour."""
    from matplotlib.figure import Figure  # the object interface: no global state, no display

    labels = [entry.label for entry in metrics.per_class]
    counts = np.array(metrics.confusion)
    side = min(20.0, 2.4 + 0.62 * len(labels))
    figure = Figure(figsize=(side + 0.6, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(_row_shares(counts), cmap="Blues", vmin=0, vmax=1)
    if len(labels) <= _LABELLED_CLASSES:
        _name_axes(axes, labels)
    axes.set(xlabel="named", ylabel="true")
    if len(labels) <= 30:
        _number_cells(axes, counts)
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks become boxes; report.html has them
        figure.savefig(data, format="png")
    return data.getvalue()


def _name_axes(axes: Any, labels: Sequence[str]) -> None:
    plain = {"parse_math": False, "fontsize": 10 if len(labels) <= 60 else 6}  # a label with two $ is no formula
    shown = [shortened(label) for label in labels]
    axes.set_xticks(range(len(labels)), shown, rotation=90 if len(labels) > 30 else 45, ha="right", **plain)
    axes.set_yticks(range(len(labels)), shown, **plain)


def _number_cells(axes: Any, counts: npt.NDArray[np.int64]) -> None:
    shares = _row_shares(counts)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else "#222222"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=9)


def _row_shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares
