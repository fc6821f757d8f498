"""The table that ends the demo, read from the files that its steps wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hawklet.bundle import Bundle, Variant
from hawklet.errors import ResultError

_LIVE_FIELDS = ("frames_per_second", "dropped", "age_p50_ms", "age_p90_ms", "shown", "named_rightly", "variant")
_FRAME_STAGES = ("preprocess", "infer", "postprocess")


@dataclass(frozen=True)
class Column:
    """What was found out about one model of the bundle."""

    variant: Variant
    p50_ms: float
    """Median time from a picture in memory to its answer."""
    p90_ms: float
    """Nine of ten pictures took no longer."""


def read_column(variant: Variant, result: Path) -> Column:
    """Read a variant's latency from what ``hawklet bench -o RESULT`` wrote.

    Raises:
        ResultError: the file is missing or holds no samples.
    """
    try:
        runs = json.loads(result.read_text("utf-8"))["runs"]
        frames = np.concatenate([sum(np.array(run["wall_ms"][stage]) for stage in _FRAME_STAGES) for run in runs])
        p50, p90 = np.percentile(frames, [50, 90])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ResultError(f"{result}: not a benchmark result with samples ({error}); run the demo again") from error
    return Column(variant, float(p50), float(p90))


def read_live(path: Path) -> Mapping[str, Any]:
    """Read the summary, the last line of what ``hawklet run --jsonl FILE`` wrote.

    Raises:
        ResultError: the file is missing or has no summary.
    """
    try:
        summary = json.loads(path.read_text("utf-8").splitlines()[-1])["summary"]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ResultError(f"{path}: its last line must be the summary of a live run ({error!r})") from error
    lacking = [name for name in _LIVE_FIELDS if not isinstance(summary, dict) or summary.get(name) is None]
    if lacking:
        raise ResultError(f"{path}: its last line must be the summary of a live run, and lacks {lacking[0]}")
    return dict(summary)


def read_columns(bundle: Path, results: Mapping[str, Path]) -> list[Column]:
    """Read one column for each variant named in ``results``."""
    opened = Bundle.open(bundle)
    return [read_column(opened.variant(name), path) for name, path in results.items()]


def lay_out(columns: Sequence[Column], live: Mapping[str, Any]) -> list[str]:
    """Lay the table out as lines of text."""
    rows = [
        ["", *(column.variant.name for column in columns)],
        ["accuracy, test photos", *(_accuracy(column.variant) for column in columns)],
        ["size", *(f"{column.variant.bytes / 1e6:.2f} MB" for column in columns)],
        ["latency a frame, p50 / p90", *(f"{column.p50_ms:.1f} / {column.p90_ms:.1f} ms" for column in columns)],
    ]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    return [*lines, "", *_live_lines(live, widths[0])]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    title, *cells = map(str.rjust, row, widths)
    return "  ".join([title.strip().ljust(widths[0]), *cells])


def _accuracy(variant: Variant) -> str:
    return "not measured" if variant.accuracy is None else f"{variant.accuracy:.2f} %"


def _live_lines(live: Mapping[str, Any], width: int) -> list[str]:
    speed = f"{live['frames_per_second']:.1f} frames/s with {live['variant']}, {live['dropped']} dropped"
    age = f"p50 {live['age_p50_ms']:.0f} ms, p90 {live['age_p90_ms']:.0f} ms from the camera to the answer"
    return [
        "live".ljust(width) + "  " + speed,
        "frame age".ljust(width) + "  " + age,
        "cards named rightly".ljust(width) + f"  {live['named_rightly']} of {live['shown']}",
    ]
