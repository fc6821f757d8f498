"""The table that a conversion ends with: every file measured, in order of preference, and what to know of it."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hawklet.spec import Floats
from hawklet_converter.judge import agreement
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.pack import format_of
from hawklet_converter.request import ConvertRequest, Row
from hawklet_converter.search import SAME_SPEED
from hawklet_converter.verify import logits_of, top1
from hawklet_converter.work import Work
from hawklet_hardware.targets import target_named


@dataclass(frozen=True)
class FileLogits:
    """What a file answers to a run's pictures, ``float32 [N, classes]``."""

    val: Floats
    test: Floats
    """Empty where the run has no test pictures."""


def logits_by_file(files: Mapping[str, bytes], work: Work) -> dict[str, FileLogits]:
    """Show the validation and test pictures to the files of a bundle, the latter for the only time; by variant."""
    pictures, found = work.pictures, {}
    for name, content in files.items():
        classifier = work.open(content, format_of(name))
        val = logits_of(classifier, pictures.val)
        test = logits_of(classifier, pictures.test) if len(pictures.test) else val[:0]
        found[name] = FileLogits(val, test)
    return found


def measure_rows(
    files: Mapping[str, bytes], logits: Mapping[str, FileLogits], latency: LatencySource, work: Work
) -> tuple[Row, ...]:
    """Measure the files of a bundle.

    Args:
        files: By variant.
        logits: What they answer to the run's pictures.
        latency: Where they are timed.
        work: For the pictures.

    Returns:
        A row each, in order of preference.
    """
    pictures, has_test = work.pictures, len(work.pictures.test) > 0
    every = {name: np.concatenate([of.val, of.test]) for name, of in logits.items()}
    times = latency.measure({name: (format_of(name), content) for name, content in files.items()})
    rows = tuple(
        Row(
            variant=name,
            bytes=len(content),
            val=top1(logits[name].val, pictures.val_truth),
            test=top1(logits[name].test, pictures.test_truth) if has_test else None,
            agreement=agreement(every[name], every["float32-tflite"]),
            ms=times.get(name),
        )
        for name, content in files.items()
    )
    return in_order_of_preference(rows) if times_count(work.request) else rows


def times_count(request: ConvertRequest) -> bool:
    """Whether the times are those of the target, or of a processor of its kind."""
    return request.measure_on is not None or platform.machine().lower() in target_named(request.target).arch


def in_order_of_preference(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The fastest first, as far as times can be told apart; else in the order given. What was not timed comes last."""
    waiting, ordered = [row for row in rows if row.ms is not None], []
    while waiting:
        fastest = min(row.ms for row in waiting if row.ms is not None)
        ordered.append(next(row for row in waiting if row.ms is not None and row.ms <= fastest * SAME_SPEED))
        waiting.remove(ordered[-1])
    return (*ordered, *(row for row in rows if row.ms is None))


def _is_slower(row: Row, rows: tuple[Row, ...]) -> bool:
    plain = next(other for other in rows if other.variant == f"float32-{format_of(row.variant).value}")
    return row.ms is not None and plain.ms is not None and row.ms > plain.ms


def notes_of(rows: tuple[Row, ...], request: ConvertRequest) -> Iterator[str]:
    """What a reader of the times must know."""
    if not times_count(request):
        yield (
            f"the times are this machine's, which is no {target_named(request.target).name}, and say little of it; "
            "--measure-on user@host takes them there"
        )
        return
    for row in rows:
        if _is_slower(row, rows):
            plain = f"float32-{format_of(row.variant).value}"
            yield f"{row.variant} is no faster than {plain} where it was measured"


def doubts_of(work: Work, pruned: bool) -> Iterator[str]:
    """Whether there are pictures enough to tell a drop, where there may be one."""
    request, pictures = work.request, len(work.pictures.val)
    step = 100 / pictures
    if (request.quantizes or pruned) and request.max_drop > 0 and step > request.max_drop / 2:
        enough = math.ceil(200 / request.max_drop)
        yield (
            f"accuracy was measured on {pictures} validation pictures, of which one is {step:.1f} points: too few to "
            f"tell a drop of {request.max_drop:g} (--max-drop); {enough} or more would do"
        )
