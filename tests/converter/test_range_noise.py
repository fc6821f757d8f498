"""Ranges are chosen by what they do to the answer, not to the activation."""

from __future__ import annotations

import torch
from torch import nn

from hawklet_converter.choose_ranges import mse
from hawklet_converter.collect_ranges import collect_ranges
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.judge import judge
from hawklet_converter.plan import ActivationQuant
from hawklet_converter.range_noise import choose_ranges_by_noise, fake_quantize


class OneThatMatters(nn.Module):
    """Sixteen features, of which a small one decides the answer, and a large one is ignored."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(16, 16)
        self.act = nn.ReLU()
        self.head = nn.Linear(16, 3)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(16))
            self.features.bias.zero_()
            self.head.weight.zero_()
            self.head.weight[0, 0], self.head.weight[1, 0] = 1.0, -1.0
            self.head.bias.copy_(torch.tensor([-0.5, 0.5, -9.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.features(x)))


def test_large_values_that_nobody_reads_make_no_coarse_grid_for_those_that_decide() -> None:
    inputs = torch.rand(256, 16, generator=torch.Generator().manual_seed(0))
    inputs[:, 5] *= 80
    net = fold_batch_norm(OneThatMatters())
    distributions = collect_ranges(net, inputs)
    chosen = choose_ranges_by_noise(net, inputs, distributions, {"act", "head"})
    assert chosen.grids["act"].high < 40
    assert mse(distributions["act"])[1] > 70  # what the mean squared error of the activation alone takes
    assert set(chosen.noise) == {"act", "head"}


def test_the_noise_of_an_activation_is_the_mean_square_change_of_the_lead() -> None:
    torch.manual_seed(0)
    net = fold_batch_norm(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)))
    inputs = torch.randn(64, 8)
    chosen = choose_ranges_by_noise(net, inputs, collect_ranges(net, inputs), {"_1", "_2"})
    hidden = net.get_submodule("1")(net.get_submodule("0")(inputs))
    exact = net.get_submodule("2")(hidden)
    rough = net.get_submodule("2")(fake_quantize(hidden, chosen.grids["_1"]))
    best = exact.topk(2, dim=1).indices
    leads = [values.gather(1, best)[:, 0] - values.gather(1, best)[:, 1] for values in (rough, exact)]
    measured = float((leads[0] - leads[1]).square().mean())
    assert abs(chosen.noise["_1"] - measured) < 0.05 * measured


def test_logits_that_nobody_looks_at_are_clipped() -> None:
    torch.manual_seed(0)
    net = fold_batch_norm(nn.Sequential(nn.Linear(8, 6)))
    inputs = torch.randn(128, 8)
    with torch.no_grad():
        net.get_submodule("0").bias[5] = -400.0
    chosen = choose_ranges_by_noise(net, inputs, collect_ranges(net, inputs), {"_0"})
    logits = net(inputs)
    whole = ActivationQuant.covering(float(logits.min()), float(logits.max()))
    plain = judge(fake_quantize(logits, whole).numpy(), logits.numpy()).divergence
    clipped = judge(fake_quantize(logits, chosen.grids["_0"]).numpy(), logits.numpy()).divergence
    assert clipped < plain / 4
