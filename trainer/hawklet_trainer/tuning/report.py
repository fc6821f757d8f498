"""``report.html`` of a search: one file, opens offline."""

from __future__ import annotations

from hawklet import __version__
from hawklet.safefiles import write_text
from hawklet_trainer.evaluation.sections import pages
from hawklet_trainer.models.latency import HOW
from hawklet_trainer.tuning import plots
from hawklet_trainer.tuning.dimension import flag, value_text, values_text
from hawklet_trainer.tuning.outcome import Outcome, TrialRecord
from hawklet_trainer.tuning.study import Objective
from hawklet_trainer.tuning.trial_runs import run_of

_MOST_TRIALS = 300
"""Lines of the table of trials."""


def write_report(outcome: Outcome) -> None:
    """Write ``report.html`` into the study's folder, whole or not at all."""
    names = [*outcome.importance, *(name for name in outcome.space.dimensions if name not in outcome.importance)]
    dimensions = {name: outcome.space.dimensions[name] for name in names}
    latency = outcome.objective is Objective.ACCURACY_LATENCY
    page = (
        pages()
        .get_template("tune.html.j2")
        .render(
            outcome=outcome,
            counts=outcome.counts(),
            pictures=outcome.photos.counts(),
            usual=outcome.usual,
            dimensions=dimensions,
            trials=_ordered(outcome)[:_MOST_TRIALS],
            history=plots.history(outcome.records),
            parallel=plots.parallel(outcome.records, dimensions, outcome.best),
            pareto=plots.pareto(outcome.records, outcome.best) if latency else "",
            how=HOW,
            run_of=run_of,
            flag=flag,
            value_text=value_text,
            values_text=values_text,
            version=__version__,
        )
    )
    write_text(outcome.folder / "report.html", page)


def _ordered(outcome: Outcome) -> list[TrialRecord]:
    """The best first, then the others by accuracy, and those without any last."""
    best = {record.number: place for place, record in enumerate(outcome.best)}
    return sorted(
        outcome.records,
        key=lambda record: (best.get(record.number, len(best)), record.state != "complete", -(record.top1 or 0.0)),
    )
