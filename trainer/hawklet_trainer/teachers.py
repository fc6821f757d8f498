"""``--teacher RUN``: a run whose network teaches another, checked before anything long begins."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from hawklet.errors import RunError, UsageError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.models.own import is_own
from hawklet_trainer.run import Run, load_run
from hawklet_trainer.split_file import learned_from
from hawklet_trainer.training.loop import Teacher
from hawklet_trainer.training.teaching import Sight, seeing


def require_teacher(
    folder: Path, photos: PhotoSet, spec: PreprocessSpec, model: str, say: Callable[[str], None]
) -> Run:
    """Read the run that is to teach these photos' classes.

    Args:
        folder: The run's.
        photos: Those of the student.
        spec: The student's.
        model: The student's ``--model`` as the user typed it: a teacher of the same network of the user's own may be
            built too.
        say: Told where the teacher has learned from what the student is judged by.

    Raises:
        RunError: it is no finished run.
        UsageError: it tells other classes apart, or takes other channels.
    """
    run = _load(folder, model)
    if sorted(run.labels) != sorted(photos.labels):
        other = sorted(set(run.labels) ^ set(photos.labels))
        raise UsageError(
            f"a teacher must know the same classes as its student, but {folder} differs in {', '.join(other[:5])}; "
            "train it on these photos first"
        )
    if run.spec.channels != spec.channels:
        raise UsageError(
            f"a teacher must take as many channels as its student ({spec.channels}), got {run.spec.channels} in "
            f"{folder}; train both with the same --channels"
        )
    known = learned_from(run.folder) & {photo.sha256 for split in ("val", "test") for photo in photos.items(split)}
    if known:
        say(
            f"warning: the teacher has learned from {len(known)} of the pictures that its student is judged by, which "
            "makes the student look better than it is; train both with the same --seed and photos"
        )
    return run


def _load(folder: Path, model: str) -> Run:
    try:
        return load_run(folder)
    except RunError:
        if not is_own(model):
            raise
        return load_run(folder, model)


@contextlib.contextmanager
def teaching(
    run: Run | None, photos: PhotoSet, spec: PreprocessSpec, zp: int, scale: float
) -> Iterator[Teacher | None]:
    """The run's network as teacher of a student that takes ``(pixel - zp) * scale`` of ``spec``; None without a run."""
    if run is None:
        yield None
        return
    net = run.build()
    own = Sight(run.spec.height, run.spec.width, run.pixel_zero_point, run.pixel_scale, run.labels)
    with seeing(net, own, Sight(spec.height, spec.width, zp, scale, photos.labels)):
        yield Teacher(net)
