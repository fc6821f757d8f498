"""Photos checked: everything from what they are listed as to what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hawklet.errors import MissingDependencyError, UsageError, WeightsError
from hawklet_trainer.data.checking.catalogue import Catalogue, read_catalogue
from hawklet_trainer.data.checking.copies import Copies, find_copies, joined
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Evidence, Finding, Severity
from hawklet_trainer.data.checking.gather import gather
from hawklet_trainer.data.checking.label_errors import Judgement, judge_labels, require_cleanlab
from hawklet_trainer.data.checking.registry import judge, passed_over
from hawklet_trainer.data.checking.similar import FORMS
from hawklet_trainer.data.checking.watcher import SILENT, Watcher
from hawklet_trainer.data.importing.recognise import refuse_foreign
from hawklet_trainer.data.photo_set import WORKERS


@dataclass(frozen=True)
class CheckOptions:
    """How photos are checked."""

    quick: bool = False
    """Only what files say without being decoded."""
    labels: bool | None = None
    """Look for label errors; None: where what it takes is installed."""
    seed: int = 0
    """Of the folds that labels are judged in."""
    workers: int = WORKERS
    """Threads."""


@dataclass(frozen=True)
class Checked:
    """What a check came to."""

    source: Path
    evidence: Evidence
    findings: Sequence[Finding]
    """The worst first."""
    left_out: Sequence[tuple[str, str]]
    """What was not looked for, and why."""

    def not_looked_for(self) -> list[str]:
        """The same, a line for each reason."""
        titles: dict[str, list[str]] = {}
        for title, why in self.left_out:
            titles.setdefault(why, []).append(f"{title[:1].lower()}{title[1:]}")
        return [f"{why}: {', '.join(of_reason)}" for why, of_reason in titles.items()]

    def count(self, severity: Severity) -> int:
        """Findings of a severity."""
        return sum(finding.rule.severity is severity for finding in self.findings)

    def exit_code(self, strict: bool) -> int:
        """1 where there are errors, or with ``strict`` warnings; else 0."""
        bad = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
        return int(any(map(self.count, bad)))


def check_photos(source: Path, options: CheckOptions | None = None, watcher: Watcher = SILENT) -> Checked:
    """Check photos. Their files are only read.

    Args:
        source: What :func:`~hawklet_trainer.data.listing.list_photos` takes; whatever training would refuse about its
            classes and splits is a finding here.
        options: How.
        watcher: Told how far it is.

    Raises:
        UsageError: labels are asked for, and that nothing is decoded.
        DataError: nothing there names pictures, or it is of a layout that is to be imported first.
        MissingDependencyError: label errors are asked for, and what it takes is not installed.
        WeightsError: likewise, and the pretrained weights cannot be had.
    """
    options = options or CheckOptions()
    if options.labels and options.quick:
        raise UsageError("--quick decodes nothing, and --labels judges what pictures show; drop one of them")
    if options.labels:
        require_cleanlab()
    refuse_foreign(source)
    catalogue = read_catalogue(source)
    depth = Depth.HEADER if options.quick else Depth.PIXELS
    facts = gather(catalogue.places, depth, options.workers, watcher.phase("pictures", len(catalogue)))
    copies = find_copies(facts, step=watcher.phase("copies", len(FORMS)))
    evidence = Evidence(catalogue, facts, copies, facts.readable())
    labels, why = _judge_labels(evidence, options, watcher)
    evidence = Evidence(catalogue, facts, copies, evidence.readable, labels)
    left_out = [(title, "not looked for with --quick") for title in passed_over(depth)]
    if labels is None:
        left_out.append(("Likely label errors", why))
    return Checked(source, evidence, judge(evidence), left_out)


def _judge_labels(evidence: Evidence, options: CheckOptions, watcher: Watcher) -> tuple[Judgement | None, str]:
    """What labels came to; or None, and why they were not judged."""
    if options.quick or options.labels is False:
        return None, f"not looked for with {'--quick' if options.quick else '--no-labels'}"
    positions = np.flatnonzero(evidence.readable)
    if len(np.unique(evidence.catalogue.label_of[positions])) < 2:
        return None, "not looked for, since there are no two classes to tell apart"
    try:
        require_cleanlab()
        from hawklet_trainer.data.checking.features import Network

        network = Network()
    except (MissingDependencyError, WeightsError) as error:
        if options.labels:
            raise
        return None, f"not looked for ({error})"
    places = [evidence.catalogue.places[i] for i in positions.tolist()]
    features = network.features(places, options.workers, watcher.phase("labels", len(places)))
    together = _together(evidence.catalogue, evidence.copies)[positions]
    return judge_labels(features, evidence.catalogue.label_of[positions], together, positions, options.seed), ""


def _together(catalogue: Catalogue, copies: Copies) -> npt.NDArray[np.int64]:
    """A number for each picture, the same for copies and for pictures of one group."""
    first_of_group: dict[str, int] = {}
    pairs = [
        (first_of_group.setdefault(place.group, position), position)
        for position, place in enumerate(catalogue.places)
        if place.group
    ]
    number = np.arange(len(catalogue))
    for members in joined([*pairs, *copies.links()]):
        number[members] = members[0]
    return number
