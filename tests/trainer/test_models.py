"""The registry and what is folded into its networks."""

from __future__ import annotations

import pytest
import torch

from hawklet.errors import UsageError
from hawklet_trainer.efficientnet_lite import EfficientNetLite0, by_position, same_padding
from hawklet_trainer.folding import fold_normalization
from hawklet_trainer.models import MODELS, head_of, model_entry

SIDE = 64


@pytest.mark.parametrize("name", MODELS)
def test_every_network_takes_pictures_and_ends_in_a_head_of_the_classes(name: str) -> None:
    entry = MODELS[name]
    net = entry.build(7, SIDE, SIDE).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, 7)
    assert head_of(net, entry).out_features == 7


@pytest.mark.parametrize("name", MODELS)
def test_folding_changes_the_answers_at_the_border_only(name: str) -> None:
    entry = MODELS[name]
    net = entry.build(5, SIDE, SIDE).eval()
    pixels = torch.randint(0, 256, (2, 3, SIDE, SIDE)).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (entry.mean, entry.std))

    def after_stem(x: torch.Tensor) -> torch.Tensor:
        conv, norm = (net.get_submodule(path) for path in entry.stem)
        with torch.inference_mode():
            out: torch.Tensor = norm(conv(x))
        return out[:, :, 3:-3, 3:-3]

    before = after_stem((pixels - mean) / std)
    fold_normalization(net, entry)
    after = after_stem((pixels - entry.zero_point) * entry.scale)
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


def test_an_unknown_model_is_refused_with_the_closest_name() -> None:
    with pytest.raises(UsageError, match="did you mean mobilenet_v2"):
        model_entry("mobilnet_v2")


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding"),
    [(224, 3, 2, (0, 1)), (56, 5, 2, (1, 2)), (7, 3, 2, (1, 1)), (28, 5, 1, (2, 2)), (14, 1, 1, (0, 0))],
)
def test_same_padding_is_tensorflows(side: int, kernel: int, stride: int, padding: tuple[int, int]) -> None:
    assert same_padding(side, kernel, stride) == padding


def test_a_checkpoint_of_another_length_is_not_mapped_by_position() -> None:
    net = EfficientNetLite0(5, SIDE, SIDE)
    tensors = dict(net.state_dict())
    assert by_position({str(i): t for i, t in enumerate(tensors.values())}, net).keys() == tensors.keys()
    tensors.popitem()
    with pytest.raises(ValueError, match="tensors"):
        by_position(tensors, net)
