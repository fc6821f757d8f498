"""The finding about labels."""

from __future__ import annotations

from hawklet_trainer.data.checking.finding import Evidence, Found, Rule, Severity
from hawklet_trainer.data.checking.label_errors import FOLDS, OF_A_GUESS, Suspect
from hawklet_trainer.data.tally import escaped


def _label_errors(evidence: Evidence) -> Found | None:
    judgement, catalogue = evidence.labels, evidence.catalogue
    if judgement is None or not judgement.suspects:
        return None

    def say(suspect: Suspect) -> str:
        likely = escaped(catalogue.labels[suspect.likely])
        return f"{catalogue.label(suspect.position)} {_percent(suspect.given)}, {likely} {_percent(suspect.confidence)}"

    suspects = judgement.suspects
    return Found(
        f"{len(suspects)} of {judgement.judged} labels are probably wrong: less than {_percent(judgement.bound)} "
        f"probable ({OF_A_GUESS:g} times a guess) by what a network learnt from the other {FOLDS - 1} fifths",
        [suspect.position for suspect in suspects],
        details={suspect.position: say(suspect) for suspect in suspects},
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


LABEL_ERRORS = Rule("label_errors", "Likely label errors", Severity.WARNING, _label_errors)
