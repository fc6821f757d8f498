"""A finished run of a small network, and made-up answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hawklet_trainer.data import Photo, PhotoSet, Place, load_pixels, read_photos
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.finish import Trained, finish_run
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.models.weights import LoadedWeights
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.terms import EpochRecord, History, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet, train_tiny

RECORDS = [
    EpochRecord(0, "fine-tune", 0.0, float("nan"), 1.2, 40.0, 0.5),
    EpochRecord(1, "fine-tune", 3e-4, 0.8, 0.7, 70.0, 2.0, 66.0, 40.0),
    EpochRecord(2, "fine-tune", 1e-4, 0.4, 0.5, 90.0, 2.0, 88.0, 41.0),
]
NOTE = "train and validation part ways since epoch 2; try <more pictures>"


@pytest.fixture(scope="session", autouse=True)
def _small_model() -> Iterator[None]:
    """TinyNet, as a model of the registry."""
    MODELS["colours"] = replace(
        MODELS["resnet18"],
        name="colours",
        build=lambda classes, height, width: TinyNet(classes),
        head="head",
        stem=None,
        weights=None,
    )
    yield
    del MODELS["colours"]


@pytest.fixture(scope="session")
def trained(colour_photos: Path) -> Trained:
    """A network that tells three colours apart, and how it came to be."""
    photos = read_photos(colour_photos, seed=0)
    pixels, truth = load_pixels(photos.items("train"), SPEC)
    net = train_tiny(as_input(pixels, ZERO_POINT, SCALE), torch.from_numpy(truth))
    history, loaded = History(RECORDS, notes=[NOTE]), LoadedWeights("none", "")
    return Trained(
        net, Architecture("colours"), photos, SPEC, ZERO_POINT, SCALE, TrainConfig(), history, RECORDS, {}, loaded
    )


@pytest.fixture(scope="session")
def small_run(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its run folder, which no test changes."""
    return finish_run(tmp_path_factory.mktemp("runs") / "colours", trained).run.folder


@pytest.fixture
def photo_set(trained: Trained) -> PhotoSet:
    return trained.photos


MakeAnswers = Callable[..., Answers]


@pytest.fixture
def make_answers() -> MakeAnswers:
    """Random logits that lean to the right class, of pictures that are not there unless said."""

    def make(pictures: int, labels: tuple[str, ...], path: Path = Path("gone.png"), lean: float = 2.0) -> Answers:
        random = np.random.default_rng(0)
        truth = random.integers(0, len(labels), pictures)
        raw = random.normal(size=(pictures, len(labels))).astype(np.float32)
        raw[np.arange(pictures), truth] += lean
        photos = tuple(Photo(Place(path), int(index), f"{number:064}") for number, index in enumerate(truth))
        return Answers(photos, labels, raw)

    return make
