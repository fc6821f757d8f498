"""Fixtures: a finished run of a small network, trained within the session, and its bundle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hawklet_converter.convert import convert
from hawklet_converter.request import Conversion, ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_trainer.data import load_pixels, read_photos
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.run import save_weights, write_run
from hawklet_trainer.training.inputs import as_input
from tiny_networks import COLOURS, SCALE, SPEC, ZERO_POINT, TinyNet, draw_shape, train_tiny

_PICTURES = 40


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures of three shapes, one folder each."""
    folder = tmp_path_factory.mktemp("shapes")
    random = np.random.default_rng(0)
    for label in COLOURS:
        (folder / label).mkdir()
        for number in range(_PICTURES):
            draw_shape(label, random).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_run(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run folder of a trained TinyNet, registered as a model for the session."""
    MODELS["tiny"] = replace(
        MODELS["mobilenet_v2"],
        name="tiny",
        build=lambda classes, height, width: TinyNet(classes),
        build_width=lambda classes, height, width, multiplier: TinyNet(classes, multiplier),
        head="head",
        stem=("stem.0.0", "stem.0.1"),
        least_side=16,
    )
    photos = read_photos(photo_folder, seed=0)
    pixels, truth = load_pixels(photos.items("train"), SPEC)
    net = train_tiny(as_input(pixels, ZERO_POINT, SCALE), torch.from_numpy(truth))
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    save_weights(folder / "weights" / "best.safetensors", net, ZERO_POINT, SCALE)
    manifest = {
        "schema": "hawklet-run/1",
        "name": "shapes",
        "created": "2026-01-01T00:00:00Z",
        "hawklet_version": "0",
        "model": "tiny",
        "labels": list(photos.labels),
        "preprocess": SPEC.to_dict(),
        "pixel_zero_point": ZERO_POINT,
        "pixel_scale": SCALE,
        "data": {"path": str(photo_folder), "digest": photos.digest, "counts": photos.counts()},
        "weights": {"source": "none", "sha256": None},
        "seed": 0,
        "metrics": {},
        "training": {"config": {"augment": "light", "flip": False}},
        "versions": {},
    }
    write_run(folder, manifest, photos)
    yield folder
    del MODELS["tiny"]


@pytest.fixture(scope="session")
def converted(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    """The small network's bundle; its validation split is so small that a single picture is over five points."""
    output = tmp_path_factory.mktemp("bundle") / "shapes.hawklet"
    return convert(ConvertRequest(tiny_run, output, calibration=48, max_drop=6.0), Steps(silent=True))
