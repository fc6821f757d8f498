"""Time every file of every network of a pruning in turns, and hold the chosen one to what was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hawklet.errors import BudgetError
from hawklet.spec import ModelFormat, PreprocessSpec
from hawklet_converter.candidate import Candidate
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.pack import format_of
from hawklet_converter.pruning.network import Network
from hawklet_converter.pruning.pruner import picture_for
from hawklet_converter.pruning.sheet import UNPRUNED, Point
from hawklet_converter.pruning.structure import macs_of
from hawklet_converter.request import Row
from hawklet_converter.work import Work

PROMISED = f"int8-{ModelFormat.TFLITE.value}"
"""The file that is measured on the way, and whose time is promised."""
_REFERENCE = "the unpruned file"
_MISSED = 0.02
"""It may miss the promised cut by this share of the unpruned file's time."""


def tried_on(network: Network, tried: Sequence[Candidate]) -> tuple[Network, dict[str, bytes]]:
    """Add rows for the files of other attempts that were made on a network, and give those files by variant.

    What an attempt is named is no variant of a bundle: recipe and method, then the format.
    """
    rows: list[Row] = []
    files: dict[str, bytes] = {}
    for candidate in tried:
        for model_format, content in candidate.files.items():
            name = f"{candidate.recipe}: {candidate.method}-{model_format.value}"
            files[name] = content
            top1, agreement = candidate.top1[model_format], candidate.agreement[model_format]
            rows.append(Row(name, len(content), top1, None, agreement, None))
    return replace(network, rows=(*network.rows, *rows)), files


def points_of(
    chosen: Network,
    bundled: Mapping[str, bytes],
    tried: Mapping[str, bytes],
    others: Sequence[Network],
    latency: LatencySource,
    work: Work,
) -> list[Point]:
    """A point for every file of every network, those of one network timed in turns with one of the unpruned network's.

    Args:
        chosen: The network of the bundle, with its rows.
        bundled: The bundle's files by variant.
        tried: Files of other attempts on it, see :func:`tried_on`.
        others: Networks that have been converted, the unpruned one among them.
        latency: Where they are timed.
        work: For a picture of each size.
    """
    networks = (chosen, *others)
    unpruned = next(network for network in others if network.kind == UNPRUNED).files()
    clock = _Clock(unpruned, latency, work)
    times = {
        network.run.name: clock.times({**bundled, **tried} if network is chosen else network.files(), network.run.spec)
        for network in networks
    }
    if PROMISED in bundled and PROMISED in unpruned:  # what decides is measured with more care
        whole = next(network for network in others if network.kind == UNPRUNED)
        ratio = latency.ratio((format_of(PROMISED), bundled[PROMISED]), (format_of(PROMISED), unpruned[PROMISED]))
        if ratio is not None:
            times[chosen.run.name][PROMISED] = ratio * times[whole.run.name][PROMISED]
    return [
        Point(
            network=network.run.name,
            kind=network.kind,
            variant=row.variant,
            ms=times[network.run.name].get(row.variant),
            val=row.val,
            test=row.test,
            bytes=row.bytes,
            macs=macs,
            side=network.run.spec.height,
            width=network.run.architecture.width,
            run=str(network.run.folder),
            train_seconds=network.seconds,
            chosen=network is chosen and row.variant in bundled,
        )
        for network in networks
        for macs in (macs_of(network.run.build(), network.run.spec),)
        for row in network.rows
    ]


class _Clock:
    """Times one network's files after another's, so that no more are open at once, and holds drift against one file.

    Args:
        unpruned: Files of the unpruned network, by variant.
        latency: Where they are timed.
        work: For pictures.
    """

    def __init__(self, unpruned: Mapping[str, bytes], latency: LatencySource, work: Work) -> None:
        name = PROMISED if PROMISED in unpruned else next(iter(unpruned))
        self._reference = (format_of(name), unpruned[name])
        self._latency, self._work = latency, work
        self._first: float | None = None

    def times(self, files: Mapping[str, bytes], spec: PreprocessSpec) -> dict[str, float]:
        """Milliseconds by variant, of the machine's pace at the first call."""
        timed = {variant: (format_of(variant), content) for variant, content in files.items()}
        foreign = spec != self._work.run.spec
        pictures = dict.fromkeys(files, picture_for(self._work, spec)) if foreign else {}
        found = dict(self._latency.measure({**timed, _REFERENCE: self._reference}, pictures))
        pace = found.pop(_REFERENCE, None)
        if pace is None:
            return found
        self._first = self._first or pace
        return {variant: ms * self._first / pace for variant, ms in found.items()}


def cuts_of(points: Sequence[Point]) -> dict[str, float]:
    """Share of the time of the unpruned network's file that each file of the chosen one saves, by variant."""
    whole = {point.variant: point.ms for point in points if point.kind == UNPRUNED}
    return {
        point.variant: 1 - point.ms / before
        for point in points
        for before in (whole.get(point.variant),)
        if point.chosen and point.ms is not None and before
    }


def require_promise(cuts: Mapping[str, float], promised: float) -> None:
    """Refuse a network whose finished file is not as fast as was promised.

    Raises:
        BudgetError: it is not.
    """
    measured = cuts.get(PROMISED)
    if measured is not None and measured < promised - _MISSED:
        raise BudgetError(
            f"pruning must cut {promised:.0%} of the measured latency, and the finished int8 file takes "
            f"{in_words(measured)} than the unpruned one; no bundle was written; try --recipe int8 if layers were left "
            "in float, or ask for less"
        )


def in_words(cut: float) -> str:
    """``38.9 % less time``, or more."""
    return f"{100 * abs(cut):.1f} % {'less' if cut >= 0 else 'more'} time"
