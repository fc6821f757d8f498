"""Blocks of networks that are in no registry: cut between their children, whatever these are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from hawklet_trainer.models.blocks import Block, blocks_of
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.registry import MODELS
from tiny_networks import TinyNet

OWN = replace(MODELS["resnet18"], name="own:build", points=(), head="")


def _names(blocks: list[Block]) -> list[str]:
    return [block.name for block in blocks]


def _require_all(net: nn.Module, blocks: list[Block]) -> None:
    held = [parameter for block in blocks for parameter in block.parameters]
    assert len(held) == len({id(p) for p in held})
    assert {id(p) for p in held} == {id(p) for p in net.parameters()}


def test_a_network_without_points_is_cut_between_its_children() -> None:
    net = TinyNet(3)
    assert _names(blocks_of(net, OWN)) == ["stem", "block", "project", "down", "head"]
    _require_all(net, blocks_of(net, OWN))


def test_points_of_another_network_are_not_looked_for() -> None:
    entry: ModelEntry = replace(MODELS["resnet18"], head="head")
    assert _names(blocks_of(TinyNet(3), entry)) == ["stem", "block", "project", "down", "head"]


def test_a_network_within_one_child_is_cut_within_it() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.net = TinyNet(3)

    net = Wrapped()
    blocks = blocks_of(net, OWN)
    assert _names(blocks) == ["net.stem", "net.block", "net.project", "net.down", "net.head"]
    assert blocks[0].parameters[0] is net.scale
    _require_all(net, blocks)


def test_many_children_are_gathered_into_few_blocks() -> None:
    layers = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)) for _ in range(30)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 2))
    blocks = blocks_of(net, OWN)
    assert _names(blocks) == ["0", "4", "8", "12", "16", "20", "24", "28", "31"]
    assert [sum(isinstance(layer, nn.BatchNorm2d) for layer in block.layers) for block in blocks] == [4] * 7 + [2, 0]
    _require_all(net, blocks)


def test_a_weight_that_is_tied_to_the_head_belongs_to_the_head() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4))
    net[2].weight = net[3].weight
    blocks = blocks_of(net, OWN)
    assert blocks[-1].parameters[0] is net[3].weight
    _require_all(net, blocks)


def test_a_head_alone_is_one_block() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    assert _names(blocks_of(net, OWN)) == ["1"]
