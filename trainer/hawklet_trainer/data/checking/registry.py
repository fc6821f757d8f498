"""Everything that is looked for, in the order that it is told in among findings of one severity.

To look for another thing: write a function of :class:`~hawklet_trainer.data.checking.finding.Evidence` that gives what
it found or None, and its :class:`~hawklet_trainer.data.checking.finding.Rule` into one of the tuples.
"""

from __future__ import annotations

from collections.abc import Iterable

from hawklet_trainer.data.checking.class_rules import CLASS_RULES
from hawklet_trainer.data.checking.copy_rules import COPY_RULES
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Evidence, Finding, Rule, Severity
from hawklet_trainer.data.checking.label_rule import LABEL_ERRORS
from hawklet_trainer.data.checking.picture_rules import PICTURE_RULES

RULES: tuple[Rule, ...] = (*CLASS_RULES, *PICTURE_RULES, *COPY_RULES, LABEL_ERRORS)
_WORST_FIRST = list(Severity)


def passed_over(depth: Depth) -> list[str]:
    """Titles of what needs a closer look than ``depth``."""
    return [rule.title for rule in RULES if rule.depth > depth]


def judge(evidence: Evidence, rules: Iterable[Rule] = RULES) -> list[Finding]:
    """What rules find, the worst first; those that need a closer look than was taken are passed over."""
    asked = [rule for rule in rules if rule.depth <= evidence.facts.depth]
    findings = [Finding(rule, found) for rule in asked if (found := rule.judge(evidence)) is not None]
    # Stable: findings of one severity stay in the order of the rules.
    return sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.rule.severity))
