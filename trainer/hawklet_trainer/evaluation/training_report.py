"""``report.html`` of a training (one file, opens offline) and ``confusion_matrix.png``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hawklet.safefiles import write_bytes, write_text
from hawklet_trainer.augment.sheet import Sheet
from hawklet_trainer.evaluation import charts, confusion_matrix
from hawklet_trainer.evaluation.analysis import Analysis
from hawklet_trainer.evaluation.explaining import Explain
from hawklet_trainer.evaluation.sections import pages, sections_of
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.training.terms import EpochRecord

_EXPLAINED = 6
"""Of each of the two galleries."""


@dataclass(frozen=True)
class TrainingReport:
    """What the report shows."""

    manifest: dict[str, Any]
    records: Sequence[EpochRecord]
    analyses: Mapping[str, Analysis | None]
    """By split, ``val`` and ``test``."""
    warnings: tuple[str, ...]
    options: dict[str, Any]
    sheet: Sheet
    """What training made of its pictures."""
    explain: Explain
    """Says what the network saw."""


def write_training_report(folder: Path, report: TrainingReport) -> None:
    """Write ``report.html`` and ``confusion_matrix.png`` into the run folder, each whole or not at all."""
    title = "test" if report.analyses.get("test") else "val"
    analysis = report.analyses[title]
    if analysis is None:
        raise ValueError("a report needs at least the val split judged")
    write_bytes(folder / "confusion_matrix.png", confusion_matrix.png(analysis.metrics))
    page = (
        pages()
        .get_template("report.html.j2")
        .render(
            manifest=report.manifest,
            architecture=Architecture.from_manifest(report.manifest).describe(),
            analyses=report.analyses,
            shown=sections_of(title, analysis, report.explain, _EXPLAINED),
            curves=charts.training_curves(report.records, report.manifest["training"]["best_epoch"]),
            warnings=report.warnings,
            options=report.options,
            sheet=report.sheet,
            rejecting=None,
        )
    )
    write_text(folder / "report.html", page)
