"""The test pictures, looked at when the search is over, by the networks that were chosen on val."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from hawklet.errors import RunError
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.finish import RESULTS, Trained, finish_run, read_results
from hawklet_trainer.models.weights import LoadedWeights
from hawklet_trainer.run import ARGUMENTS, Run, load_run
from hawklet_trainer.training.terms import History


def measure_on_test(folder: Path, model: str, photos: PhotoSet, say: Callable[[str], None]) -> Run:
    """Judge a run that had no test pictures on them too, and write its files anew; the run as it is then.

    One that was measured on these pictures before is left as it is.

    Args:
        folder: The run's.
        model: Of the run, as the user typed it or the space names it.
        photos: What it was trained on, and the test pictures.
        say: Called with a line where there is something to do.

    Raises:
        RunError: the folder is no finished run.
    """
    run = load_run(folder, model)
    if run.manifest["metrics"].get("test") and run.manifest["data"]["digest"] == photos.digest:
        return run
    say(f"measuring {run.name} on the {len(photos.items('test'))} test pictures")
    return finish_run(folder, _trained(run, photos)).run


def _trained(run: Run, photos: PhotoSet) -> Trained:
    try:
        records = read_results((run.folder / RESULTS).read_text(encoding="utf-8"))
        options = yaml.safe_load((run.folder / ARGUMENTS).read_text(encoding="utf-8"))
        training, weights = run.manifest["training"], run.manifest["weights"]
        history = History(
            records,
            training["best_epoch"],
            precision=training["precision"],
            stopped_by=training["stopped_by"],
            notes=list(run.manifest["notes"]),
        )
        loaded = LoadedWeights(weights["source"], weights["sha256"])
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RunError(f"a trial's run must be a finished one, which {run.folder} is not ({reason})") from error
    return Trained(
        net=run.build(),
        architecture=run.architecture,
        photos=photos,
        spec=run.spec,
        zero_point=run.pixel_zero_point,
        scale=run.pixel_scale,
        config=run.config(),
        history=history,
        records=records,
        options=options,
        loaded=loaded,
    )
