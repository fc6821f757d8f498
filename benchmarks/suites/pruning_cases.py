"""The networks that the pruning benchmark prunes: trained here, one for each seed, and what pruning each came to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from fine_tuned_drop import train_on_cards
from hawklet.cards import PhotoSet as CardPhotos
from hawklet.cards import write_photo_set
from hawklet.safefiles import write_json
from hawklet_converter.convert import convert
from hawklet_converter.request import ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_trainer.augment import Augment
from hawklet_trainer.run import load_run
from hawklet_trainer.train import TrainOptions, train_run
from hawklet_trainer.training.terms import TrainConfig

SEEDS = (0, 1, 2)
_FLOWERS = "flowers5"
_CARDS_SIDE = 128
_INT8 = "int8-tflite"


@dataclass(frozen=True)
class Case:
    """One network on one data set, pruned by one share."""

    name: str
    """For files."""
    title: str
    cut: float
    """Share of the latency."""
    needs: str | None
    """Folder of the test data that it needs."""
    train: Callable[[Path, Path, int], Path]
    """``train(data, folder, seed)`` gives the run."""
    conversion: dict[str, Any]
    """Options of the conversion that are not the default."""


@dataclass(frozen=True)
class Outcome:
    """One seed of a case."""

    seed: int
    cuts: dict[str, float]
    """By variant, share of the unpruned file's time."""
    macs_cut: float
    unpruned: float
    """int8 TFLite accuracy of the unpruned network, percent of the test pictures."""
    pruned: float
    rivals: dict[str, tuple[float, float]]
    """Kind of baseline -> its accuracy likewise, and its latency by the pruned network's."""
    odd_widths: int
    """Layers whose outputs are no multiple of 8, the head left out."""
    minutes: float
    """Of wall time, from a trained run to the bundle."""
    pictures: int
    """Test pictures."""

    @property
    def against_unpruned(self) -> float:
        """Points."""
        return self.pruned - self.unpruned

    @property
    def against_rivals(self) -> float:
        """Points, against the better baseline."""
        return self.pruned - max(accuracy for accuracy, _ in self.rivals.values())


def outcome_of(case: Case, data: Path, work: Path, seed: int) -> Outcome:
    """Train and prune one seed, or read what was kept of it."""
    kept = work / f"{case.name}-{seed}.json"
    if not kept.is_file():
        run = case.train(data, work, seed)
        start = time.monotonic()
        request = ConvertRequest(
            run,
            work / f"{case.name}-{seed}.hawklet",
            prune=case.cut,
            max_drop=100.0,
            seed=seed,
            budget_s=1500.0,
            resume=True,
            **case.conversion,
        )
        conversion = convert(request, Steps())
        minutes = (time.monotonic() - start) / 60.0
        facts = conversion.manifest.provenance["pruning"]
        write_json(kept, {"points": facts["points"], "cuts": facts["cuts"], "minutes": minutes})
    return _outcome(json.loads(kept.read_text(encoding="utf-8")), seed)


def _outcome(kept: dict[str, Any], seed: int) -> Outcome:
    points = [point for point in kept["points"] if point["variant"] == _INT8]
    chosen = next(point for point in points if point["chosen"])
    whole = next(point for point in points if point["kind"] == "unpruned")
    rivals = {
        p["kind"]: (p["test"], p["ms"] / chosen["ms"]) for p in points if p["kind"] in ("narrower", "smaller input")
    }
    run = load_run(chosen["run"])
    return Outcome(
        seed=seed,
        cuts=kept["cuts"],
        macs_cut=1 - chosen["macs"] / whole["macs"],
        unpruned=whole["test"],
        pruned=chosen["test"],
        rivals=rivals,
        odd_widths=_odd_widths(run.build()),
        minutes=kept["minutes"],
        pictures=len(run.photos().items("test")),
    )


def _odd_widths(net: nn.Module) -> int:
    made = [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)]
    made += [m.out_features for m in net.modules() if isinstance(m, nn.Linear)][:-1]
    return sum(width % 8 != 0 for width in made)


def _mobilenet_on_flowers(data: Path, work: Path, seed: int) -> Path:
    options = TrainOptions(
        data / _FLOWERS, out=work / "runs", name=f"flowers-{seed}", config=TrainConfig(epochs=10, seed=seed)
    )
    return _trained(options)


def _mobilenet_on_cards(data: Path, work: Path, seed: int) -> Path:
    write_photo_set(work / "cards", CardPhotos(160, 0))
    config = TrainConfig(epochs=6, augment=Augment.LIGHT, flip=False, seed=seed)
    options = TrainOptions(
        work / "cards", out=work / "runs", name=f"cards-{seed}", imgsz=_CARDS_SIDE, crop_fraction=1.0, config=config
    )
    return _trained(options)


def _trained(options: TrainOptions) -> Path:
    assert options.name is not None  # noqa: S101 -- narrows the type; it was given above
    folder = options.out / options.name
    if not (folder / "manifest.json").is_file():
        folder = train_run(replace(options, out=folder.parent), say=lambda line: print(line, flush=True)).run.folder
    return folder


def _resnet_on_cards(data: Path, work: Path, seed: int) -> Path:
    write_photo_set(work / "cards", CardPhotos(160, 0))
    run = work / "runs" / f"cards-resnet18-{seed}"
    if not (run / "manifest.json").is_file():
        train_on_cards("resnet18", seed, work / "cards", run)
    return run


CASES = {
    1: Case("flowers", "MobileNetV2, five kinds of flowers, --prune 0.4", 0.4, _FLOWERS, _mobilenet_on_flowers, {}),
    2: Case(
        "cards",
        f"MobileNetV2, drawn cards at {_CARDS_SIDE} px, --prune 0.4",
        0.4,
        None,
        _mobilenet_on_cards,
        {},
    ),
    3: Case("resnet18", "ResNet18, drawn cards at 64 px, --prune 0.5", 0.5, None, _resnet_on_cards, {}),
}
