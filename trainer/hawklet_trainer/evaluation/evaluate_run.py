"""A run's network measured anew, on its own split or on other photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hawklet.errors import DataError
from hawklet_trainer.data import Photo, read_labelled
from hawklet_trainer.evaluation.metrics import Metrics
from hawklet_trainer.finish import judge
from hawklet_trainer.run import Run, load_run

SCHEMA = "hawklet-evaluation/1"
_WAY_OUT = "say where they are now: hawklet evaluate RUN PHOTOS --split SPLIT"


@dataclass(frozen=True)
class Evaluation:
    """A run's figures on some pictures."""

    name: str
    """Of the run."""
    model: str
    """Its architecture in words."""
    measured_on: str
    """``val``, ``test``, ``train``, or the photo folder."""
    metrics: Metrics
    warnings: tuple[str, ...] = ()
    """One line for each picture that was left out."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "schema": SCHEMA,
            "run": self.name,
            "model": self.model,
            "measured_on": self.measured_on,
            "pictures": sum(entry.support for entry in self.metrics.per_class),
            **self.metrics.to_dict(),
        }


def evaluate_run(
    folder: Path, photos: Path | None = None, split: str | None = None, model: str | None = None
) -> Evaluation:
    """Measure the best weights of a run in float32.

    Args:
        folder: The run's.
        photos: Without ``split``, a folder with one folder of pictures per class. With it, where the run's own photos
            are now.
        split: ``train``, ``val`` or ``test``; by default test, or val where there are no test pictures.
        model: ``--model`` as the user typed it, see :func:`~hawklet_trainer.run.load_run`.

    Raises:
        RunError: it is no finished run.
        DataError: there are no such pictures, or they were changed.
    """
    run = load_run(folder, model)
    if photos is not None and split is None:
        measured = read_labelled(photos, run.labels)
        chosen, warnings = measured.photos, measured.warnings
        measured_on = str(photos)
    else:
        measured_on, chosen = _own_pictures(run, photos, split)
        warnings = ()
    judged = judge(run.build(), chosen, run.spec, run.pixel_zero_point, run.pixel_scale, run.labels)
    return Evaluation(run.name, run.architecture.describe(), measured_on, judged.metrics, warnings)


def _own_pictures(run: Run, place: Path | None, split: str | None) -> tuple[str, tuple[Photo, ...]]:
    photos = run.photos(place, _WAY_OUT)
    counts = photos.counts()
    split = split or ("test" if counts["test"] else "val")
    if not counts[split]:
        has = ", ".join(name for name, count in counts.items() if count)
        raise DataError(f"the run {run.name} has no {split} pictures to measure on; it has --split {has}")
    return split, tuple(photos.items(split))
