"""``report.html`` (one file, opens offline) and ``confusion_matrix.png``."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.safefiles import atomic_file, write_text
from hawklet_trainer.augment.sheet import Sheet
from hawklet_trainer.data import Photo, Place
from hawklet_trainer.evaluation.metrics import Metrics, measure
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.thumbnail import thumbnail
from hawklet_trainer.training.terms import EpochRecord

_MISTAKES = 24
_SURE = 0.02
"""Cells of the matrix below this share of their row are left blank of colour, not of number."""


@dataclass(frozen=True)
class Mistake:
    """A picture that was named wrongly."""

    place: Place
    truth: str
    named: str
    score: float
    """Probability of the wrong name, 0..1."""


@dataclass(frozen=True)
class Judged:
    """A split's figures, with the pictures behind the mistakes."""

    metrics: Metrics
    mistakes: tuple[Mistake, ...]
    """The most confident first."""

    @classmethod
    def of(
        cls,
        photos: Sequence[Photo],
        parts: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]],
        labels: tuple[str, ...],
    ) -> Judged:
        """From probabilities and truths in the photos' order, in any number of parts."""
        scores, truth = np.concatenate([p for p, _ in parts]), np.concatenate([t for _, t in parts])
        named = scores.argmax(axis=1)
        wrong = sorted(map(int, np.flatnonzero(named != truth)), key=lambda i: -float(scores[i, named[i]]))
        mistakes = tuple(
            Mistake(photos[i].place, labels[truth[i]], labels[named[i]], float(scores[i, named[i]])) for i in wrong
        )
        return cls(measure(truth, scores, labels), mistakes)


@dataclass(frozen=True)
class Content:
    """What the report shows."""

    manifest: dict[str, Any]
    records: list[EpochRecord]
    judged: dict[str, Judged | None]
    """By split, ``val`` and ``test``."""
    warnings: tuple[str, ...]
    options: dict[str, Any]
    sheet: Sheet
    """What training made of its pictures."""


def write(folder: Path, content: Content) -> None:
    """Write ``report.html`` and ``confusion_matrix.png`` into the run folder, each whole or not at all."""
    from jinja2 import Environment, PackageLoader

    shown = "test" if content.judged.get("test") else "val"
    judged = content.judged[shown]
    if judged is None:
        raise ValueError("a report needs at least the val split judged")
    with atomic_file(folder / "confusion_matrix.png") as stream:
        stream.write(confusion_png(judged.metrics))
    environment = Environment(loader=PackageLoader("hawklet_trainer", "templates"), autoescape=True)
    page = environment.get_template("report.html.j2").render(
        manifest=content.manifest,
        architecture=Architecture.from_manifest(content.manifest).describe(),
        judged=content.judged,
        shown=shown,
        metrics=judged.metrics,
        matrix=_matrix_rows(judged.metrics),
        mistakes=[(mistake, thumbnail(mistake.place)) for mistake in judged.mistakes[:_MISTAKES]],
        mistake_count=len(judged.mistakes),
        curves=_curves(content.records),
        warnings=content.warnings,
        options=content.options,
        sheet=content.sheet,
    )
    write_text(folder / "report.html", page)


def confusion_png(metrics: Metrics) -> bytes:
    """The confusion matrix as a PNG; rows are the true classes, shares of the row as colour."""
    from matplotlib.figure import Figure  # the object interface: no global state, no display

    labels = [entry.label for entry in metrics.per_class]
    counts = np.array(metrics.confusion)
    side = min(20.0, 2.4 + 0.62 * len(labels))
    figure = Figure(figsize=(side + 0.6, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(_row_shares(counts), cmap="Blues", vmin=0, vmax=1)
    plain = {"parse_math": False}  # a label with two $ is no formula
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", **plain)
    axes.set_yticks(range(len(labels)), labels, **plain)
    axes.set(xlabel="named", ylabel="true")
    if len(labels) <= 30:
        _number_cells(axes, counts)
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks become boxes; report.html has them
        figure.savefig(data, format="png")
    return data.getvalue()


def _number_cells(axes: Any, counts: npt.NDArray[np.int64]) -> None:
    shares = _row_shares(counts)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else "#222222"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=9)


def _row_shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _matrix_rows(metrics: Metrics) -> list[list[tuple[int, float]]]:
    counts = np.array(metrics.confusion)
    shares = _row_shares(counts)
    return [
        [(int(n), float(s) if s >= _SURE else 0.0) for n, s in zip(row, share, strict=True)]
        for row, share in zip(counts, shares, strict=True)
    ]


@dataclass(frozen=True)
class _Line:
    name: str
    colour: str
    points: str
    """SVG polyline points."""
    last: str


@dataclass(frozen=True)
class _Chart:
    title: str
    lines: list[_Line]
    ticks: list[tuple[float, str]]
    """Height in the drawing, and the value there."""
    epochs: list[tuple[float, int]]


_WIDTH, _HEIGHT = 460.0, 190.0


def _curves(records: list[EpochRecord]) -> list[_Chart]:
    loss = {
        "train loss": [(r.epoch, r.train_loss) for r in records if r.phase == "fine-tune"],
        "val loss": [(r.epoch, r.val_loss) for r in records],
    }
    return [
        _chart("Accuracy on val, %", {"val top-1": [(r.epoch, r.val_top1) for r in records]}),
        _chart("Loss", loss),
    ]


def _chart(title: str, series: dict[str, list[tuple[int, float]]]) -> _Chart:
    finite = {name: [(e, v) for e, v in points if np.isfinite(v)] for name, points in series.items()}
    values = [v for points in finite.values() for _, v in points] or [0.0]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) if high - low > 1e-6 else 1.0  # a flat line stands in the middle
    low, high = low - pad, high + pad
    last_epoch = max([e for points in finite.values() for e, _ in points] + [1])

    def x(epoch: float) -> float:
        return round(_WIDTH * epoch / last_epoch, 1)

    def y(value: float) -> float:
        return round(_HEIGHT * (high - value) / (high - low), 1)

    lines = [
        _Line(
            name,
            colour,
            " ".join(f"{x(e)},{y(v)}" for e, v in (points if len(points) > 1 else points * 2)),
            f"{points[-1][1]:.3g}" if points else "",
        )
        for (name, points), colour in zip(finite.items(), ("#1f6feb", "#d9480f"), strict=False)
        if points
    ]
    ticks = [(y(v), f"{v:.3g}") for v in np.unique(np.linspace(low + pad, high - pad, 4))]
    step = max(1, last_epoch // 6)
    return _Chart(title, lines, ticks, [(x(e), e) for e in range(0, last_epoch + 1, step)])
