"""Folding batch norm changes nothing but the graph."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet.errors import RunError
from hawklet_converter.fold_batch_norm import fold_batch_norm


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(288, 4),
        nn.BatchNorm1d(4),
    )
    for norm in (net[1], net[6]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return net.eval()


def test_the_folded_network_answers_the_same() -> None:
    net, x = _net(), torch.randn(2, 3, 8, 8)
    folded = fold_batch_norm(net)
    torch.testing.assert_close(folded(x), net(x), rtol=1e-4, atol=1e-5)
    assert not [m for m in folded.modules() if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm1d, nn.Dropout))]


def test_the_given_network_is_left_as_it_was() -> None:
    net = _net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    fold_batch_norm(net)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_every_layer_carries_a_bias_so_that_it_can_be_corrected() -> None:
    folded = fold_batch_norm(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU()))
    assert [m.bias is not None for m in folded.modules() if isinstance(m, nn.Conv2d)] == [True]


def test_a_batch_norm_that_follows_no_layer_is_refused_by_name() -> None:
    with pytest.raises(RunError, match="got 0 after input"):
        fold_batch_norm(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)).eval())


class _DataDependent(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_a_network_whose_graph_depends_on_the_data_is_refused_by_name() -> None:
    with pytest.raises(RunError, match="_DataDependent"):
        fold_batch_norm(_DataDependent())
