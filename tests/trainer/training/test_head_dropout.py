"""Features hidden from the head."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_trainer.training.head_dropout import hiding_features


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(1000, 1, bias=False))


def _hidden(net: nn.Sequential) -> float:
    """Share of the features that did not reach the head."""
    with torch.no_grad():
        net[2].weight.fill_(1.0)  # type: ignore[union-attr]
        seen: list[torch.Tensor] = []
        hook = net[2].register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
        net(torch.ones(1, 1000))
        hook.remove()
    return float((seen[0] == 0).float().mean())


@pytest.mark.parametrize(("share", "hidden"), [(None, 0.9), (0.0, 0.0), (0.5, 0.5)])
def test_the_share_that_was_asked_for_is_hidden_instead_of_the_networks_own(share: float | None, hidden: float) -> None:
    torch.manual_seed(0)
    net = _net().train()
    with hiding_features(net, share):
        assert _hidden(net) == pytest.approx(hidden, abs=0.06)
    assert _hidden(net) == pytest.approx(0.9, abs=0.06)


def test_nothing_is_hidden_where_the_network_does_not_learn() -> None:
    net = _net().eval()
    with hiding_features(net, 0.5):
        assert _hidden(net) == 0.0
