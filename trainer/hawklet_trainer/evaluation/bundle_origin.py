"""The run that a bundle was converted from, where it is still there. Torch is loaded only where a run is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawklet.bundle import Bundle
from hawklet.errors import HawkletError, RunError
from hawklet.safefiles import sha256_of
from hawklet_trainer.evaluation.absent_classes import some_labels

if TYPE_CHECKING:
    from hawklet_trainer.run import Run


@dataclass(frozen=True)
class NamedRun:
    """The run that a bundle names, or why there is none."""

    run: Run | None
    absent: str = ""
    """Why it is not taken, in words; empty where it is."""


def given_run(folder: Path, bundle: Bundle, model: str | None) -> Run:
    """The run that a user names as the one that a bundle was converted from.

    Args:
        folder: The run's.
        bundle: What was made of it.
        model: The user's own ``module:function``, as typed.

    Raises:
        RunError: it is no run, or one of other labels, other data or another network.
    """
    from hawklet_trainer.run import load_run

    run = load_run(folder, model)
    _require_origin(run, bundle)
    return run


def named_run(bundle: Bundle, model: str | None) -> NamedRun:
    """The run that the bundle names, as seen from here or from beside the bundle."""
    named = facts(bundle, "run").get("folder")
    if not isinstance(named, str):
        return NamedRun(None, "the bundle names none")
    reasons = []
    for place in filter(Path.is_dir, (Path(named), bundle.path.parent / named)):
        try:
            return NamedRun(given_run(place, bundle, model))
        except HawkletError as error:  # a hint: what stands there by that name today may be anything
            reasons.append(str(error))
    return NamedRun(None, reasons[0] if reasons else f"there is no folder {named}")


def facts(bundle: Bundle, group: str) -> Mapping[str, Any]:
    """A group of the bundle's provenance, whoever wrote it; empty where there is none."""
    found = bundle.manifest.provenance.get(group)
    return found if isinstance(found, Mapping) else {}


def unpruned_origin(bundle: Bundle) -> Mapping[str, Any] | None:
    """What a bundle says of the unpruned run: ``folder`` and ``weights_sha256``; None: nothing was pruned."""
    pruning = bundle.manifest.provenance.get("pruning")
    if not isinstance(pruning, Mapping):
        return None
    origin = pruning.get("from")
    return origin if isinstance(origin, Mapping) else {}


def _require_origin(run: Run, bundle: Bundle) -> None:
    """Refuse a run of other labels, other data or another network."""
    digest = facts(bundle, "data").get("digest")
    if run.labels != bundle.manifest.labels:
        raise RunError(
            f"the run must be the one that the bundle was converted from: the bundle's labels are "
            f"{some_labels(bundle.manifest.labels)}, the run's are {some_labels(run.labels)}; name that run"
        )
    if digest is None:
        raise RunError(
            f"the run must be the one that the bundle was converted from, and {bundle.path.name} names no data it was "
            "made with; verify it on labelled pictures alone: --photos FOLDER"
        )
    if digest != run.manifest["data"].get("digest"):
        raise RunError(
            f"the run must be the one that the bundle was converted from: the bundle's data digest is {digest}, that "
            f"of {run.folder} is {run.manifest['data'].get('digest')}; name that run, or "
            "other pictures by --photos alone"
        )
    _require_network(run, bundle)


def _require_network(run: Run, bundle: Bundle) -> None:
    from hawklet_trainer.run import BEST

    architecture, weights = bundle.manifest.provenance.get("architecture"), facts(bundle, "run").get("weights_sha256")
    if architecture != run.architecture.describe():
        raise RunError(
            f"the run must be the one that the bundle was converted from: the bundle's network is {architecture}, the "
            f"run's is {run.architecture.describe()}; name that run"
        )
    if weights is None or not (run.folder / BEST).is_file():
        return
    found = sha256_of(run.folder / BEST)
    if found == (unpruned_origin(bundle) or {}).get("weights_sha256"):
        raise RunError(
            "the run must be the one that the bundle was converted from, which is the pruned one "
            f"({facts(bundle, 'run').get('folder')}); {run.folder} is the one it was cut from, and is found by itself"
        )
    if weights != found:
        raise RunError(
            f"the run must be the one that the bundle was converted from, and the weights in {run.folder} are others "
            "(sha256 differs), though of the same data; name that run, or convert this one anew"
        )
