"""Batch-norm statistics measured anew."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm


def test_statistics_become_those_of_the_pictures_whatever_the_momentum() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, momentum=0.01))
    inputs = torch.randn(64, 3, 6, 6) * 5 + 7
    reestimate_batch_norm(net, inputs)
    out = net(inputs)
    torch.testing.assert_close(out.mean([0, 2, 3]), torch.zeros(4), atol=0.05, rtol=0)
    torch.testing.assert_close(out.std([0, 2, 3]), torch.ones(4), atol=0.05, rtol=0)
    assert net[1].momentum == 0.01
    assert not net[1].training


def test_pictures_that_come_class_by_class_are_mixed() -> None:
    net = nn.Sequential(nn.BatchNorm2d(1))
    classes = torch.arange(8.0).repeat_interleave(32).reshape(-1, 1, 1, 1)
    inputs = classes + torch.randn(256, 1, 2, 2, generator=torch.Generator().manual_seed(0)) * 0.1
    reestimate_batch_norm(net, inputs)
    assert float(net[0].running_var) == pytest.approx(float(inputs.var()), rel=0.15)
