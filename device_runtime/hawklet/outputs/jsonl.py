"""Results for programs: one JSON object a line, and a last line with the summary (see docs/architecture.md)."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hawklet.errors import OutputError
from hawklet.outputs import Output
from hawklet.results import LiveResult, Summary, percentile


class JsonlOutput(Output):
    """Writes lines, each flushed at once, so that a reader sees them as they happen.

    Args:
        path: The file, replaced if it exists; ``-`` is stdout.
        about: Added to the summary: source, model, variant.
    """

    def __init__(self, path: str, about: dict[str, Any]) -> None:
        self._about = about
        try:
            self._stream = sys.stdout if path == "-" else Path(path).open("w", encoding="utf-8")  # noqa: SIM115 -- closed by close()
        except OSError as error:
            raise OutputError(f"--jsonl must name a file that can be written, got {path}: {error.strerror}") from error
        self._path = path
        # A stdout that cannot carry every letter gets them as \uXXXX, which JSON readers put back.
        self._escapes = (self._stream.encoding or "utf-8").lower().replace("-", "") != "utf8"

    def write(self, result: LiveResult) -> None:
        """See :meth:`Output.write`."""
        self._line(to_dict(result))

    def finish(self, summary: Summary) -> None:
        """See :meth:`Output.finish`."""
        self._line({"summary": summary_to_dict(summary) | self._about})

    def _line(self, data: dict[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(data, ensure_ascii=self._escapes, allow_nan=False) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            raise  # the reader has left, which ends the program quietly
        except OSError as error:
            raise OutputError(f"cannot write results to {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file."""
        if self._stream is not sys.stdout:
            self._stream.close()


def to_dict(result: LiveResult) -> dict[str, Any]:
    """A result as plain JSON types."""
    classification, frame = result.classification, result.frame
    moment = datetime.fromtimestamp(result.finished_at, tz=timezone.utc)
    return {
        "frame": frame.index,
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "name": frame.name,
        "label": classification.top.label,
        "score": round(classification.top.score, 6),
        "accepted": classification.accepted,
        "rejection": classification.rejection.value if classification.rejection else None,
        "top": [{"label": p.label, "score": round(p.score, 6)} for p in classification.predictions],
        "age_ms": round(result.age_ms, 3),
        "preprocess_ms": round(classification.timings.preprocess_ms, 3),
        "infer_ms": round(classification.timings.infer_ms, 3),
        "postprocess_ms": round(classification.timings.postprocess_ms, 3),
        "dropped": result.dropped,
        "truth": frame.truth,
    }


def summary_to_dict(summary: Summary) -> dict[str, Any]:
    """A summary as plain JSON types; percentiles are null when nothing was classified."""

    def rank(samples: tuple[float, ...], which: float) -> float | None:
        return round(percentile(samples, which), 3) if samples else None

    return {
        "frames": summary.frames,
        "seconds": round(summary.seconds, 3),
        "frames_per_second": round(summary.frames_per_second, 3),
        "dropped": summary.dropped,
        "age_p50_ms": rank(summary.ages_ms, 50),
        "age_p90_ms": rank(summary.ages_ms, 90),
        "infer_p50_ms": rank(summary.infer_ms, 50),
        "infer_p90_ms": rank(summary.infer_ms, 90),
        "shown": summary.shown,
        "named_rightly": summary.named_rightly,
    }
