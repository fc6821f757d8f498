"""A network that was pruned, or that one is compared with: a run, how long it was trained, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from hawklet.bundle import Bundle
from hawklet.safefiles import sha256_of
from hawklet_converter.kept_work import KeptWork
from hawklet_converter.request import Row
from hawklet_converter.work import Work
from hawklet_trainer.finish import Trained, finish_run, plain
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.weights import LoadedWeights
from hawklet_trainer.run import BEST, Run, load_run, new_run_folder
from hawklet_trainer.training.terms import History, TrainConfig

_LONGEST_STEM = 90
"""Of a run's name, so that a number still fits behind it."""


@dataclass(frozen=True)
class Network:
    """One network of a pruning."""

    kind: str
    """One of :data:`hawklet_converter.pruning.sheet.KINDS`."""
    run: Run
    seconds: float = 0.0
    """Of training beyond the unpruned run."""
    cut: float = 0.0
    """Share of the latency, or of the multiplications, that was to be cut."""
    bundle: Path | None = None
    """Its files, where it has been converted."""
    rows: tuple[Row, ...] = ()
    """How they do."""

    @property
    def val(self) -> float:
        """Top-1 of the worst of its files on the validation pictures, percent."""
        return min(row.val for row in self.rows)

    def files(self) -> dict[str, bytes]:
        """Its files by variant."""
        if self.bundle is None:
            return {}
        bundle = Bundle.open(self.bundle)
        return {variant.name: bundle.read(variant.file) for variant in bundle.manifest.variants}


def keep_as_run(
    net: nn.Module,
    architecture: Architecture,
    suffix: str,
    training: tuple[TrainConfig, History],
    work: Work,
    kept: KeptWork,
) -> tuple[Run, float]:
    """Write a trained network as a run beside the one that it was made of.

    Args:
        net: In evaluation mode, on the CPU.
        architecture: What builds it again; without the run's weights where its width is another.
        suffix: What its name ends in.
        training: How it was trained, and how that went.
        work: The conversion; its run's preparation of pictures is that of ``net``.
        kept: Remembers the name, so that a resumed conversion writes no second run.

    Returns:
        The run, and the seconds of its last training.
    """
    run, (config, history) = work.run, training
    parent = run.folder.parent
    stem = run.name[: _LONGEST_STEM - len(suffix)]
    name = kept.once(f"run-{suffix}", lambda: new_run_folder(parent, f"{stem}-{suffix}").name)
    own_weights = architecture.width == run.architecture.width
    trained = Trained(
        net,
        architecture,
        work.photos,
        run.spec,
        run.pixel_zero_point,
        run.pixel_scale,
        run.config(),
        history,
        history.records,
        {"made_by": "hawklet convert", "from": str(run.folder), "prune_epochs": work.request.prune_epochs},
        LoadedWeights(**run.manifest["weights"]) if own_weights else LoadedWeights("none", ""),
        {"made_from": origin_of(run), "recovery": plain(vars(config))},
    )
    finish_run(parent / name, trained)
    return load_run(parent / name, work.request.model), trained.seconds


def origin_of(run: Run) -> Mapping[str, Any]:
    """What names a run in what is made of it: its folder as typed, and the digest of its weights."""
    return {"folder": str(run.folder), "weights_sha256": sha256_of(run.folder / BEST)}
