"""What is measured: the network of a run, or a file of a bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hawklet.acceptance import Acceptance
from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.errors import BundleError, UsageError
from hawklet.golden import record
from hawklet.spec import OutputKind, PreprocessSpec
from hawklet_trainer.evaluation.analysis import Scaling
from hawklet_trainer.evaluation.answers import Model, network_model
from hawklet_trainer.evaluation.bundle_origin import named_run
from hawklet_trainer.evaluation.explaining import Explain, network_explainer, unexplained
from hawklet_trainer.run import Run, load_run
from hawklet_trainer.training.freed_memory import keep_freed_memory


@dataclass(frozen=True)
class Subject:
    """A model with all that is needed to measure it."""

    kind: str
    """``run`` or ``bundle``."""
    name: str
    """The run's or the bundle's."""
    model: str
    """Which model of it, in words."""
    labels: tuple[str, ...]
    spec: PreprocessSpec
    """How pictures are prepared for it."""
    answers: Model
    output: OutputKind
    explain: Explain
    """Says what it saw in pictures."""
    scaling: Scaling | None
    """The temperature that it comes with."""
    run: Run | None
    """The run, or that of the bundle where it is here: whose photos are at hand."""
    run_absent: str = ""
    """Why a bundle's run is not taken, in words; empty where it is."""
    acceptance: Acceptance = field(default_factory=Acceptance)
    """Which answers a bundle accepts."""


def open_subject(path: Path, model: str | None = None, variant: str | None = None) -> Subject:
    """Open a run folder, a bundle, or an unpacked bundle.

    Args:
        path: Which.
        model: ``--model`` as the user typed it, see :func:`~hawklet_trainer.run.load_run`.
        variant: Of a bundle; None: the first that can be executed here.

    Raises:
        RunError: it is neither a bundle nor a finished run.
        BundleError: it is a damaged bundle.
        UsageError: a variant was asked for that is not there.
    """
    if _is_bundle(path):
        return _of_bundle(Bundle.open(path.expanduser()), model, variant)
    if variant is not None:
        raise UsageError(f"--variant picks a model of a bundle, and {path} is a run; leave it out")
    return _of_run(load_run(path, model))


def _is_bundle(path: Path) -> bool:
    path = path.expanduser()
    if not path.is_dir():
        return path.suffix.lower() == ".hawklet"
    try:
        Bundle.open(path)
    except BundleError:
        return False
    return True


def _of_run(run: Run) -> Subject:
    keep_freed_memory()
    net, pixel = run.build(), (run.pixel_zero_point, run.pixel_scale)
    kept = run.manifest.get("scaling")
    return Subject(
        kind="run",
        name=run.name,
        model=f"{run.architecture.describe()}, float32",
        labels=run.labels,
        spec=run.spec,
        answers=network_model(net, *pixel),
        output=OutputKind.LOGITS,
        explain=network_explainer(net, run.spec, *pixel),
        scaling=Scaling(float(kept["temperature"]), str(kept["fitted_on"])) if kept else None,
        run=run,
    )


def _of_bundle(bundle: Bundle, model: str | None, variant: str | None) -> Subject:
    classifier = Classifier.from_bundle(bundle, variant=variant)
    chosen = classifier.variant
    assert chosen is not None, "a classifier from a bundle knows its variant"  # noqa: S101 -- narrows the type
    manifest, origin = bundle.manifest, named_run(bundle, model)
    fitted = manifest.temperature != 1.0 and chosen.output is OutputKind.LOGITS
    return Subject(
        kind="bundle",
        name=manifest.name,
        model=f"{chosen.name} on {classifier.engine_info.runtime}",
        labels=manifest.labels,
        spec=manifest.preprocess,
        answers=lambda pixels: record(classifier, pixels),
        output=chosen.output,
        explain=unexplained("A bundle's files give no gradients, so what they saw (Grad-CAM) is shown of runs alone."),
        scaling=Scaling(manifest.temperature, "the validation pictures of its conversion") if fitted else None,
        run=origin.run,
        run_absent=origin.absent,
        acceptance=manifest.acceptance,
    )
