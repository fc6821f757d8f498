"""``--imgsz auto``: as large as the pictures and the board call for, and said why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from hawklet.errors import UsageError
from hawklet_hardware import target_option
from hawklet_trainer import imgsz_option
from hawklet_trainer.data import Photo, PhotoSet, Place
from hawklet_trainer.input_side import _SLOW_BOARDS, propose_side
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.train import TrainOptions, require_trainable, train_run
from hawklet_trainer.training.terms import TrainConfig

MakePhotos = Callable[..., PhotoSet]


@pytest.fixture
def photos(tmp_path: Path) -> MakePhotos:
    """Makes pictures of the given sizes."""

    def make(*sizes: tuple[int, int]) -> PhotoSet:
        items = []
        for number, size in enumerate(sizes):
            path = tmp_path / f"{number}.png"
            Image.new("L", size).save(path)
            items.append(Photo(Place(path), 0, ""))
        return PhotoSet(tmp_path, ("a",), {"train": tuple(items)})

    return make


def test_a_network_is_given_its_own_side(photos: MakePhotos) -> None:
    set_ = photos((640, 480))
    assert propose_side(set_, MODELS["mobilenet_v2"]).side == 224
    assert propose_side(set_, MODELS["inception_v3"]).side == 299
    assert propose_side(set_, MODELS["efficientnet_lite2"]).reason == "the side that efficientnet_lite2 is made for"


def test_small_pictures_are_enlarged_about_three_times(photos: MakePhotos) -> None:
    proposal = propose_side(photos((400, 50), (54, 900), (2000, 1000)), MODELS["mobilenet_v2"])
    assert proposal.side == 160
    reason = "3.0 times the 54 pixels that the middle one of the pictures shows of its shorter side"
    assert proposal.reason == reason


def test_what_is_cropped_away_is_not_counted(photos: MakePhotos) -> None:
    assert propose_side(photos((72, 72)), MODELS["mobilenet_v2"]).side == 224
    assert propose_side(photos((72, 72)), MODELS["mobilenet_v2"], seen=0.875).side == 192


def test_the_nearest_multiple_is_no_more_than_the_networks_own(photos: MakePhotos) -> None:
    assert propose_side(photos((93, 93)), MODELS["efficientnet_lite3"]).side == 280


@pytest.mark.parametrize(
    ("target", "side"), [("pi5", 224), ("pi4", 192), ("pi3", 160), ("pizero2", 160), ("host", 224)]
)
def test_a_slower_board_is_given_a_smaller_side(photos: MakePhotos, target: str, side: int) -> None:
    proposal = propose_side(photos((640, 480)), MODELS["mobilenet_v2"], target)
    assert proposal.side == side
    if target == "pi4":
        assert proposal.reason == (
            "for pi4 0.73 of the time that 224 takes, since its Cortex-A72 cores have no int8 dot products"
        )


def test_pictures_smaller_than_what_the_board_takes_decide(photos: MakePhotos) -> None:
    assert propose_side(photos((43, 43)), MODELS["mobilenet_v2"], "pi3").side == 128


def test_tiny_pictures_are_enlarged_to_what_a_network_needs(photos: MakePhotos) -> None:
    assert propose_side(photos((16, 16)), MODELS["resnet18"]).side == 96


def test_every_proposal_is_a_side_that_the_network_takes(photos: MakePhotos) -> None:
    for side in (8, 30, 50, 75, 85, 95, 105, 120, 900):
        set_ = photos((side, side))
        for entry in MODELS.values():
            for target in imgsz_option.TARGET_NAMES:
                entry.require_side(propose_side(set_, entry, target, 0.875).side)


def test_pictures_that_say_no_size_are_no_ground_for_a_proposal(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"text")
    set_ = PhotoSet(tmp_path, ("a",), {"train": (Photo(Place(tmp_path / "a.png"), 0, ""),)})
    with pytest.raises(UsageError, match="give --imgsz in pixels"):
        propose_side(set_, MODELS["resnet18"])


def test_the_boards_are_those_that_conversion_knows() -> None:
    assert imgsz_option.TARGET_NAMES == target_option.TARGET_NAMES
    assert _SLOW_BOARDS.keys() < set(imgsz_option.TARGET_NAMES)


def test_a_board_without_auto_is_refused(tmp_path: Path) -> None:
    options = TrainOptions(tmp_path, weights="none", out=tmp_path, target="pi4")
    with pytest.raises(UsageError, match="--target pi4 says which side --imgsz auto proposes; add --imgsz auto"):
        require_trainable(options)


def test_a_training_takes_the_side_that_is_proposed_and_says_why(colour_photos: Path, tmp_path: Path) -> None:
    said: list[str] = []
    config = TrainConfig(epochs=0, head_epochs=1, batch=8)
    options = TrainOptions(
        colour_photos, model="shufflenet_v2_x0_5", weights="none", out=tmp_path, name="run", imgsz="auto", config=config
    )
    result = train_run(options, say=said.append)
    assert (result.run.spec.height, result.run.spec.width) == (192, 192)
    reason = "3.0 times the 63 pixels that the middle one of the pictures shows of its shorter side"
    assert f"input side 192: {reason}" in said
    asked = yaml.safe_load((tmp_path / "run" / "args.yaml").read_text())
    assert asked["imgsz"] == "auto"
