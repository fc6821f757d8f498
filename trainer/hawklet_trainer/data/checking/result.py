"""A check as plain data, schema :data:`SCHEMA`."""

from __future__ import annotations

from typing import Any

from hawklet import __version__
from hawklet_trainer.data.checking.check import Checked
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Finding, Severity
from hawklet_trainer.data.tally import escaped

SCHEMA = "hawklet-data-check/1"


def to_dict(checked: Checked) -> dict[str, Any]:
    """Plain JSON types. Paths are from ``folder`` on; every picture that a finding is about is in it."""
    evidence = checked.evidence
    catalogue = evidence.catalogue
    counts = catalogue.counts()
    return {
        "schema": SCHEMA,
        "hawklet_version": __version__,
        "source": escaped(str(checked.source)),
        "folder": escaped(str(catalogue.folder)),
        "pictures": len(catalogue),
        "readable": int(evidence.readable.sum()),
        "classes": {
            escaped(label): dict(zip(catalogue.splits, counts[number].tolist(), strict=True))
            for number, label in enumerate(catalogue.labels)
        },
        "decoded": evidence.facts.depth is not Depth.HEADER,
        "labels_judged": evidence.labels.judged if evidence.labels else 0,
        "totals": {severity.value: checked.count(severity) for severity in Severity},
        "findings": [_finding(checked, finding) for finding in checked.findings],
        "left_out": [{"title": title, "why": why} for title, why in checked.left_out],
    }


def _finding(checked: Checked, finding: Finding) -> dict[str, Any]:
    number_of = {position: number for number, position in enumerate(dict.fromkeys(finding.concerned()))}
    return {
        "name": finding.rule.name,
        "title": finding.rule.title,
        "severity": finding.rule.severity.value,
        "sentence": finding.found.sentence,
        "count": finding.count,
        "pictures": [_picture(checked, finding, position) for position in number_of],
        "sets": [[number_of[position] for position in members] for members in finding.found.sets],
    }


def _picture(checked: Checked, finding: Finding, position: int) -> dict[str, str]:
    catalogue = checked.evidence.catalogue
    detail = finding.found.details.get(position, "")
    row = {"path": catalogue.name(position), "label": catalogue.label(position), "split": catalogue.split(position)}
    return {**row, "detail": detail} if detail else row
