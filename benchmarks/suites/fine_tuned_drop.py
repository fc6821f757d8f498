"""What int8 loses on fine-tuned networks: drawn cards, three seeds, MobileNetV3 small and large, ResNet18.

Pretrained weights of these networks may be out of reach, so each is trained from random weights here, on the cards of
``hawklet demo`` at 64 px, with batch norms that settle within so few steps. Then it is converted by default, and the
drop of float -> int8 is read from the validation and test pictures together.

    python benchmarks/suites/fine_tuned_drop.py [--seeds 3] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from statistics import mean

import torch

from hawklet.cards import PhotoSet as CardPhotos
from hawklet.cards import write_photo_set
from hawklet.spec import PreprocessSpec
from hawklet_converter.convert import convert
from hawklet_converter.request import ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_trainer.augment import Augment
from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.loop import TrainConfig, fine_tune
from hawklet_trainer.models import MODELS
from hawklet_trainer.run import save_weights, versions, write_run

SIDE = 64
PER_CLASS = 200
NETWORKS = {"mobilenet_v3_small": (1.0, 0.5), "mobilenet_v3_large": (1.0, 0.5), "resnet18": (0.3, 0.1)}
"""Network -> largest mean drop that is allowed, and the one that is aimed at, points."""


def main() -> None:
    """Train, convert, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--work", type=Path, help="Kept afterwards; a run that is there is not trained again.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        write_photo_set(work / "cards", CardPhotos(PER_CLASS, 0))
        for name in args.networks:
            drops = [_drops(name, seed, args.epochs, work) for seed in range(args.seeds)]
            must, aim = NETWORKS[name]
            means = {key: mean(drop[key] for drop in drops) for key in drops[0]}
            shown = ", ".join(f"{key} {value:+.2f}" for key, value in means.items())
            print(f"{name}: mean drop {shown} (must <= {must}, aim <= {aim})", flush=True)


def _drops(name: str, seed: int, epochs: int, work: Path) -> dict[str, float]:
    run = work / "runs" / f"{name}-{seed}"
    if not (run / "manifest.json").exists():
        _train(name, seed, epochs, work / "cards", run)
    torch.set_num_threads(2)
    request = ConvertRequest(run, work / f"{name}-{seed}.hawklet", max_drop=100.0, seed=seed)
    rows = {row.variant: row for row in convert(request, Steps(silent=True)).rows}
    plain = rows["float32-tflite"]
    drops = {v: _both(plain) - _both(rows[v]) for v in ("int8-tflite", "int8-onnx")}
    print(f"  {name} seed {seed}: float {_both(plain):.1f} %, {drops}", flush=True)
    return drops


def _both(row: object) -> float:
    """Top-1 on validation and test pictures together, which are equally many."""
    return (row.val + row.test) / 2  # type: ignore[attr-defined]  # a hawklet_converter.request.Row


def _train(name: str, seed: int, epochs: int, cards: Path, run: Path) -> None:
    entry, spec = MODELS[name], PreprocessSpec(SIDE, SIDE)
    photos = read_photos(cards, seed=seed)
    torch.manual_seed(seed)
    net = entry.build(len(photos.labels), SIDE, SIDE)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.1
    config = TrainConfig(
        epochs=epochs, head_epochs=0, batch=24, lr=2e-3, augment=Augment.LIGHT, flip=False, patience=epochs, seed=seed
    )
    fine_tune(net, photos, spec, entry.zero_point, entry.scale, config)
    save_weights(run / "weights" / "best.safetensors", net, entry.zero_point, entry.scale)
    write_run(run, _manifest(name, seed, cards, photos, spec, config), photos)


def _manifest(
    name: str, seed: int, cards: Path, photos: PhotoSet, spec: PreprocessSpec, config: TrainConfig
) -> dict[str, object]:
    entry = MODELS[name]
    return {
        "schema": "hawklet-run/1",
        "name": f"{name}-{seed}",
        "created": "",
        "hawklet_version": "",
        "model": name,
        "labels": list(photos.labels),
        "preprocess": spec.to_dict(),
        "pixel_zero_point": entry.zero_point,
        "pixel_scale": entry.scale,
        "data": {"path": str(cards.resolve()), "digest": photos.digest, "counts": photos.counts()},
        "weights": {"source": "none", "sha256": None},
        "seed": seed,
        "metrics": {},
        "training": {"config": {**dataclasses.asdict(config), "augment": config.augment.value}},
        "versions": versions(),
    }


if __name__ == "__main__":
    main()
