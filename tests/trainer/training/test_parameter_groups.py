"""Which parameters learn how fast, and from when on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_trainer.training.parameter_groups import ParameterGroups
from hawklet_trainer.training.terms import Optimizer, TrainConfig


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4), nn.Linear(4, 5))


def _blocks(net: nn.Sequential) -> list[list[nn.Parameter]]:
    return [list(layer.parameters()) for layer in net]


def _rates(groups: ParameterGroups, net: nn.Sequential) -> list[float]:
    by_parameter = {id(p): group["lr"] for group in groups.optimizer.param_groups for p in group["params"]}
    return [by_parameter[id(layer.weight)] for layer in net]  # type: ignore[arg-type]


def test_every_block_learns_at_its_share_of_the_rate_of_the_block_after_it() -> None:
    net = _net()
    groups = ParameterGroups(net, _blocks(net), TrainConfig(layer_decay=0.5))
    groups.set_lr(0.1)
    assert _rates(groups, net) == pytest.approx([0.025, 0.05, 0.1])


def test_parameters_of_no_block_learn_as_the_first_block_before_them_all() -> None:
    net = _net()
    groups = ParameterGroups(net, _blocks(net)[1:], TrainConfig(layer_decay=0.5))
    groups.set_lr(0.1)
    assert _rates(groups, net) == pytest.approx([0.025, 0.05, 0.1])


def test_without_blocks_all_learn_at_one_rate_and_biases_do_not_decay() -> None:
    net = _net()
    groups = ParameterGroups(net, (), TrainConfig(layer_decay=0.5, weight_decay=0.3))
    groups.set_lr(0.1)
    assert _rates(groups, net) == pytest.approx([0.1] * 3)
    assert [(group["weight_decay"], len(group["params"])) for group in groups.optimizer.param_groups] == [
        (0.3, 3),
        (0.0, 3),
    ]


@pytest.mark.parametrize(
    ("unfreeze", "learning"),
    [(0, ["111", "111", "111"]), (1, ["001", "111", "111"]), (2, ["001", "011", "111"])],
)
def test_blocks_begin_to_learn_one_after_the_other_the_head_first(unfreeze: int, learning: list[str]) -> None:
    net = _net()
    groups = ParameterGroups(net, _blocks(net), TrainConfig(unfreeze=unfreeze))
    seen, changed = [], []
    for epoch in (1, 2, 3):
        changed.append(groups.thaw(epoch))
        seen.append("".join(str(int(layer.weight.requires_grad)) for layer in net))  # type: ignore[union-attr]
    assert seen == learning
    assert changed == [before != now for before, now in zip(["111", *seen], seen, strict=False)]
    groups.thaw_all()
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_what_is_frozen_does_not_move_not_even_by_decay() -> None:
    net = _net()
    before = net[0].weight.detach().clone()  # type: ignore[union-attr]
    groups = ParameterGroups(net, _blocks(net), TrainConfig(unfreeze=3, weight_decay=0.5))
    groups.thaw(1)
    groups.set_lr(0.1)
    net(torch.ones(4, 2)).sum().backward()
    groups.optimizer.step()
    assert torch.equal(net[0].weight, before)  # type: ignore[arg-type]
    assert [parameter.shape[0] for parameter in groups.learning] == [5, 5]


@pytest.mark.parametrize(
    ("optimizer", "kind", "lr", "decay"),
    [
        (Optimizer.ADAMW, torch.optim.AdamW, 1e-4, 0.02),
        (Optimizer.ADAM, torch.optim.Adam, 1e-4, 0.0),
        (Optimizer.SGD, torch.optim.SGD, 1e-2, 1e-4),
    ],
)
def test_an_optimizer_has_a_rate_and_a_decay_of_its_own_unless_told_otherwise(
    optimizer: Optimizer, kind: type[torch.optim.Optimizer], lr: float, decay: float
) -> None:
    config = TrainConfig(optimizer=optimizer)
    made = ParameterGroups(_net(), (), config).optimizer
    assert type(made) is kind and config.highest_lr == lr and made.param_groups[0]["weight_decay"] == decay
    told = TrainConfig(optimizer=optimizer, lr=0.5, weight_decay=0.25)
    assert (told.highest_lr, told.decay) == (0.5, 0.25)
