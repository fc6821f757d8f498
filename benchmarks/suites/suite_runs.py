"""Run folders of networks that the suites made themselves, as ``hawklet convert`` takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from hawklet import __version__
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.run import BEST, save_weights, versions, write_run


def write_suite_run(
    run: Path,
    model: str,
    net: nn.Module,
    photos: PhotoSet,
    spec: PreprocessSpec,
    *,
    seed: int = 0,
    source: str = "none",
) -> None:
    """Write a network as a run that augments lightly and never flips.

    Args:
        run: The folder.
        model: A name of ``MODELS``.
        net: That network with weights.
        photos: What it learnt, or is calibrated, on.
        spec: How pictures are prepared.
        seed: Of the training.
        source: Where its first weights came from.
    """
    entry = MODELS[model]
    save_weights(run / BEST, net, entry.zero_point, entry.scale)
    manifest: dict[str, Any] = {
        "schema": "hawklet-run/1",
        "name": run.name,
        "created": "",
        "hawklet_version": __version__,
        "model": model,
        "labels": list(photos.labels),
        "preprocess": spec.to_dict(),
        "pixel_zero_point": entry.zero_point,
        "pixel_scale": entry.scale,
        "data": {"path": str(photos.folder.resolve()), "digest": photos.digest, "counts": photos.counts()},
        "weights": {"source": source, "sha256": None},
        "seed": seed,
        "metrics": {},
        "training": {"config": {"augment": "light", "flip": False}},
        "versions": versions(),
    }
    write_run(run, manifest, photos)
