"""EfficientNet-Lite: its sizes, its padding, and checkpoints whose tensors are told by position."""

from __future__ import annotations

import pytest
import torch

from hawklet_trainer.models.efficientnet_lite import LITE, EfficientNetLite, by_position, same_padding

SIDE = 64


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("efficientnet_lite0", 4652008),
        ("efficientnet_lite1", 5416680),
        ("efficientnet_lite2", 6092072),
        ("efficientnet_lite3", 8197096),
        ("efficientnet_lite4", 13006568),
    ],
)
def test_every_size_has_as_many_parameters_as_the_published_one(name: str, parameters: int) -> None:
    with torch.device("meta"):
        net = EfficientNetLite(1000, SIDE, SIDE, LITE[name])
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding"),
    [(224, 3, 2, (0, 1)), (56, 5, 2, (1, 2)), (7, 3, 2, (1, 1)), (28, 5, 1, (2, 2)), (14, 1, 1, (0, 0))],
)
def test_same_padding_is_tensorflows(side: int, kernel: int, stride: int, padding: tuple[int, int]) -> None:
    assert same_padding(side, kernel, stride) == padding


def test_a_checkpoint_of_another_length_is_not_mapped_by_position() -> None:
    net = EfficientNetLite(5, SIDE, SIDE)
    tensors = {f"their.{name}": tensor for name, tensor in net.state_dict().items()}
    assert by_position(tensors, net).keys() == {n for n in net.state_dict() if not n.endswith("num_batches_tracked")}
    tensors.popitem()
    with pytest.raises(ValueError, match="tensors"):
        by_position(tensors, net)


def test_a_checkpoint_without_counters_is_mapped_too() -> None:
    net = EfficientNetLite(5, SIDE, SIDE)
    plain = {f"their.{name}": t for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    mapped = by_position(plain, net)
    assert len(mapped) == len(plain) and all(torch.equal(mapped[name], net.state_dict()[name]) for name in mapped)


def test_weights_of_one_input_size_fit_another() -> None:
    # 64 / 2 / 2 / 2 is even where 72 / 2 / 2 / 2 is odd, so that padding is written out at other places.
    even, odd = EfficientNetLite(5, 64, 64), EfficientNetLite(5, 72, 72)
    assert even.state_dict().keys() != odd.state_dict().keys()
    odd.load_state_dict(by_position(dict(even.state_dict()), odd), strict=False)
    assert torch.equal(odd.get_parameter("classifier.weight"), even.get_parameter("classifier.weight"))
