"""The page of an evaluation: one file that opens offline."""

from __future__ import annotations

from pathlib import Path

from hawklet import __version__
from hawklet.safefiles import write_text
from hawklet_trainer.evaluation.evaluate import Evaluation
from hawklet_trainer.evaluation.sections import pages, sections_of


def write_evaluation_report(path: Path, done: Evaluation) -> None:
    """Write the page, whole or not at all."""
    shown = sections_of(done.pictures.title, done.analysis, done.subject.explain, robustness=done.robustness)
    page = (
        pages()
        .get_template("evaluation.html.j2")
        .render(done=done, shown=shown, hawklet_version=__version__, rejecting=done.rejecting)
    )
    write_text(path, page)
