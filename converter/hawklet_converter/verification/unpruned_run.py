"""The run that a pruned bundle's network was cut from, where it is still there: what pruning lost counts from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hawklet.bundle import Bundle
from hawklet.errors import HawkletError
from hawklet.safefiles import sha256_of
from hawklet_trainer.evaluation.bundle_origin import unpruned_origin

if TYPE_CHECKING:
    from hawklet_trainer.run import Run


def unpruned_run(bundle: Bundle, run: Run | None, model: str | None) -> Run | None:
    """Find it as the bundle names it, seen from here or from beside the bundle, or beside the pruned run.

    It counts only with the same weights, labels, photos and preparation of pictures.

    Args:
        bundle: Pruned or not.
        run: The pruned run, where it is there.
        model: The user's own ``module:function``, as typed.
    """
    origin = unpruned_origin(bundle)
    folder = origin.get("folder") if origin else None
    if not isinstance(folder, str):
        return None
    places = [Path(folder), bundle.path.parent / folder]
    if run is not None:
        places.append(run.folder.parent / Path(folder).name)
    return next(
        (found for found in (_load(place, model) for place in places) if found and _is_meant(found, bundle)), None
    )


def _load(folder: Path, model: str | None) -> Run | None:
    from hawklet_trainer.run import load_run

    try:
        return load_run(folder, model)
    except HawkletError:  # a hint: what stands there by that name today may be anything
        return None


def _is_meant(run: Run, bundle: Bundle) -> bool:
    from hawklet_trainer.run import BEST

    manifest, origin, data = bundle.manifest, unpruned_origin(bundle) or {}, bundle.manifest.provenance.get("data")
    return (
        (run.labels, run.spec) == (manifest.labels, manifest.preprocess)
        and isinstance(data, Mapping)
        and run.manifest["data"].get("digest") == data.get("digest")
        and (run.folder / BEST).is_file()
        and sha256_of(run.folder / BEST) == origin.get("weights_sha256")
    )
