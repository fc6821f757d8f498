"""What the pages of a training and of an evaluation have in common: the sections about one set of pictures.

They are drawn by ``templates/analysis.html.j2``, which takes one :class:`Sections` by the name ``shown``.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hawklet_trainer.data.photo_set import WORKERS
from hawklet_trainer.evaluation import charts, confusion_matrix
from hawklet_trainer.evaluation.analysis import Analysis
from hawklet_trainer.evaluation.explaining import Explain
from hawklet_trainer.evaluation.gallery import Named
from hawklet_trainer.evaluation.intervals import Interval
from hawklet_trainer.evaluation.metrics import ClassMetrics
from hawklet_trainer.evaluation.ranking import ClassRanking
from hawklet_trainer.evaluation.robustness import Robustness
from hawklet_trainer.thumbnail import thumbnail
from hawklet_trainer.time_text import duration, moment

_UNSORTED_CLASSES = 12
"""Up to so many classes stand in their own order, more of them the worst first."""


@dataclass(frozen=True)
class ClassRow:
    """A line of the table of classes."""

    metrics: ClassMetrics
    recall: Interval | None
    ranking: ClassRanking | None


@dataclass(frozen=True)
class Shot:
    """A picture of a gallery."""

    named: Named
    image: str
    """A data URI; empty where the picture has gone."""
    explanation: str
    """Likewise; empty where there is none."""


@dataclass(frozen=True)
class Sections:
    """What is shown of one set of pictures."""

    title: str
    """What they are, as in "on test"."""
    analysis: Analysis
    classes: list[ClassRow]
    names: list[str]
    """The labels, short enough for the edge of a matrix."""
    table: list[list[confusion_matrix.Cell]] | None
    """The confusion matrix of few classes."""
    matrix: Markup | None
    """That of many."""
    reliability: Markup
    precision_recall: Markup | None
    """None where no class can be told from others; so is ``roc``."""
    roc: Markup | None
    mistakes: list[Shot]
    uncertain: list[Shot]
    explanation_note: str
    """Why no picture is explained."""
    robustness: Robustness | None
    robustness_chart: Markup | None


def sections_of(
    title: str,
    analysis: Analysis,
    explain: Explain,
    explained: int | None = None,
    robustness: Robustness | None = None,
) -> Sections:
    """Draw everything.

    Args:
        title: What the pictures are.
        analysis: What was found on them.
        explain: Says what the model saw.
        explained: How many pictures of each gallery are explained; None: all.
        robustness: Where it was measured.
    """
    metrics, rankings = analysis.metrics, analysis.rankings
    few = len(metrics.per_class) <= confusion_matrix.TABLE_CLASSES
    chosen = {one.number: one for gallery in (analysis.mistakes, analysis.uncertain) for one in gallery[:explained]}
    found = explain(list(chosen.values()), analysis.answers.labels)
    return Sections(
        title=title,
        analysis=analysis,
        classes=_class_rows(analysis),
        names=[confusion_matrix.shortened(label) for label in analysis.answers.labels],
        table=confusion_matrix.table(metrics) if few else None,
        matrix=None if few else confusion_matrix.drawing(metrics),
        reliability=charts.reliability(analysis.unscaled.bins, analysis.scaled.bins if analysis.scaled else None),
        precision_recall=charts.precision_recall(rankings) if rankings else None,
        roc=charts.roc(rankings) if rankings else None,
        mistakes=_shots(analysis.mistakes, found.images),
        uncertain=_shots(analysis.uncertain, found.images),
        explanation_note=found.note,
        robustness=robustness,
        robustness_chart=charts.robustness(robustness.curves, robustness.clean) if robustness else None,
    )


def _class_rows(analysis: Analysis) -> list[ClassRow]:
    rankings = {one.label: one for one in analysis.rankings}
    rows = [
        ClassRow(entry, interval, rankings.get(entry.label))
        for entry, interval in zip(analysis.metrics.per_class, analysis.intervals.recall, strict=True)
    ]
    if len(rows) <= _UNSORTED_CLASSES:
        return rows
    return sorted(rows, key=lambda row: (row.metrics.support == 0, row.metrics.f1))


def _shots(gallery: Sequence[Named], explanations: dict[int, str]) -> list[Shot]:
    with ThreadPoolExecutor(WORKERS) as pool:
        images = pool.map(lambda one: thumbnail(one.place), gallery)
        return [Shot(one, image, explanations.get(one.number, "")) for one, image in zip(gallery, images, strict=True)]


def pages() -> Environment:
    """Where the templates of the trainer's pages come from."""
    loader = PackageLoader("hawklet_trainer", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters.update(moment=moment, duration=duration)
    return environment
