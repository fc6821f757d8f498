"""What a layer reads, how it makes up for inputs that go, and which can be made up for best."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_converter.pruning import least_squares
from hawklet_converter.pruning.importance import Examples, in_order, score_channels
from hawklet_converter.pruning.least_squares import (
    Moments,
    fitted,
    gather_moments,
    made_up_for,
    mixing,
    moments_of,
    readers_of,
    rows_made,
    rows_read,
    scores_by_elimination,
    some_positions,
)
from hawklet_converter.pruning.structure import ChannelGroup, Span, Structure, find_structure
from tiny_networks import SPEC, TinyNet


@pytest.fixture
def undamped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly: copies of an input leave its covariance without an inverse."""
    monkeypatch.setattr(least_squares, "_RIDGE", 1e-6)


def _rows(inputs: int, seed: int = 0) -> torch.Tensor:
    """What twelve sources and some noise make, off zero; ``float32 [500, inputs]``."""
    random = torch.Generator().manual_seed(seed)
    mixed = torch.randn(500, 12, generator=random) @ torch.randn(12, inputs, generator=random)
    return mixed + 0.5 * torch.randn(500, inputs, generator=random) + 3.0 * torch.rand(inputs, generator=random)


def _weight(outputs: int, inputs: int) -> torch.Tensor:
    return torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(1))


def _error(moments: Moments, before: torch.Tensor, after: torch.Tensor) -> float:
    """Variance of the outputs' error, by that of the outputs."""
    moved = after - before
    error = ((moved @ moments.covariance) * moved).sum()
    return float(error / ((before @ moments.covariance) * before).sum())


@pytest.mark.parametrize("combined", [(0,), (1, 2), (0, 1, 2, 4)])
@pytest.mark.usefixtures("undamped")
def test_a_copy_or_a_linear_combination_of_other_inputs_goes_without_loss(combined: tuple[int, ...]) -> None:
    rows, weight, gone = _rows(8), _weight(5, 8), torch.tensor([3])
    rows[:, 3] = rows[:, list(combined)].sum(1) - 1.0
    made, shift = made_up_for(moments_of(rows), weight, gone)
    assert bool((made[:, gone] == 0.0).all())
    assert torch.allclose(rows @ made.T + shift, rows @ weight.T, atol=1e-2)


def test_even_damped_a_copy_goes_nearly_without_loss() -> None:
    rows, weight, gone = _rows(8), _weight(5, 8), torch.tensor([3])
    rows[:, 3] = rows[:, 0]
    moments = moments_of(rows)
    made, _ = made_up_for(moments, weight, gone)
    silenced = weight.index_fill(1, gone, 0.0)
    assert _error(moments, weight, made) < 0.03 * _error(moments, weight, silenced)


@pytest.mark.parametrize("ridge", [1e-6, 0.1])
def test_what_is_made_up_is_the_least_squares_solution_with_the_damping_as_further_rows(
    ridge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(least_squares, "_RIDGE", ridge)
    rows, weight, gone, stay = _rows(10), _weight(4, 10), torch.tensor([2, 7, 8]), torch.tensor([0, 1, 3, 4, 5, 6, 9])
    centred = (rows - rows.mean(0)).double()
    damping = ridge * centred.square().mean() * len(rows)
    read = torch.cat([centred[:, stay], damping.sqrt() * torch.eye(len(stay))])
    lost = torch.cat([centred[:, gone] @ weight[:, gone].T.double(), torch.zeros(len(stay), 4)])
    expected = weight[:, stay] + torch.linalg.lstsq(read, lost).solution.T
    made, _ = made_up_for(moments_of(rows), weight, gone)
    assert torch.allclose(made[:, stay].double(), expected, atol=1e-3)


def test_the_shift_holds_the_mean_of_the_outputs() -> None:
    rows, weight = _rows(10), _weight(4, 10)
    made, shift = made_up_for(moments_of(rows), weight, torch.tensor([0, 4, 5]))
    assert not torch.allclose(rows.mean(0) @ made.T, rows.mean(0) @ weight.T, atol=0.1)
    assert torch.allclose(rows.mean(0) @ made.T + shift, rows.mean(0) @ weight.T, atol=1e-4)


@pytest.mark.usefixtures("undamped")
def test_what_is_fitted_is_the_least_squares_solution_with_a_bias() -> None:
    rows, targets = _rows(6), _rows(3, seed=5)
    weight, bias = fitted(rows, targets, _weight(3, 6))
    with_one = torch.cat([rows, torch.ones(len(rows), 1)], 1)
    expected = torch.linalg.lstsq(with_one.double(), targets.double()).solution.T
    assert torch.allclose(torch.cat([weight, bias[:, None]], 1).double(), expected, atol=1e-3)


def test_a_layer_that_makes_its_targets_already_is_left_as_it_is_however_it_is_damped() -> None:
    rows, weight, bias = _rows(6), _weight(3, 6), torch.tensor([1.0, -2.0, 0.5])
    found, its_bias = fitted(rows, rows @ weight.T + bias, weight)
    assert torch.allclose(found, weight, atol=1e-4)
    assert torch.allclose(its_bias, bias, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # slow, and allowed
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 1),
        nn.Conv2d(4, 6, 1, stride=2),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 6, (3, 5), padding=(1, 2), bias=False),
        nn.Conv2d(4, 6, 3, dilation=2, padding=2),
        nn.Conv2d(4, 6, 4, padding="same"),
        nn.Conv2d(4, 6, 3, padding="valid"),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
    ],
    ids=str,
)
def test_rows_times_the_flattened_weight_are_what_a_convolution_makes_at_these_positions(layer: nn.Conv2d) -> None:
    x = torch.randn(11, 4, 13, 10)
    with torch.no_grad():
        outputs = layer(x)
        positions = torch.tensor([0, 3, outputs[0, 0].numel() - 1])
        found = rows_read(layer, x, positions) @ layer.weight.flatten(1).T
        bias = 0.0 if layer.bias is None else layer.bias
    assert found.shape == (33, 6)
    assert torch.allclose(found + bias, rows_made(layer, outputs, positions), atol=1e-5)


@pytest.mark.parametrize("shape", [(7, 4), (7, 3, 4), (7, 3, 2, 4)])
def test_rows_times_the_weight_are_what_a_dense_layer_makes_at_all_of_its_places(shape: tuple[int, ...]) -> None:
    x, layer = torch.randn(shape), nn.Linear(4, 6)
    with torch.no_grad():
        outputs = layer(x)
        positions = some_positions(layer, outputs)
        found = rows_read(layer, x, positions) @ layer.weight.T + layer.bias
    assert found.shape == (x.numel() // 4, 6)
    assert torch.allclose(found, rows_made(layer, outputs, positions), atol=1e-5)


def test_large_maps_are_looked_at_in_some_positions_only_and_always_the_same_ones() -> None:
    layer, maps = nn.Conv2d(1, 1, 1), torch.zeros(64, 1, 40, 40)
    positions = some_positions(layer, maps)
    assert len(set(positions.tolist())) == 8192 // 64
    assert torch.equal(positions, some_positions(layer, maps + 1.0))
    assert sorted(some_positions(layer, torch.zeros(64, 1, 3, 3)).tolist()) == list(range(9))
    assert len(some_positions(nn.Linear(1, 5), torch.zeros(64, 40, 40, 5))) == 8192 // 64


def test_moments_are_those_of_what_the_layers_read_and_no_hook_stays(
    net: TinyNet, structure: Structure, examples: Examples
) -> None:
    read: dict[str, torch.Tensor] = {}
    handle = net.head.register_forward_pre_hook(lambda _layer, x: read.update(head=x[0]))
    found = gather_moments(net, structure, examples.inputs)
    handle.remove()
    assert found.keys() == {"block.0.0", "project.0", "down.0.0", "head"}, "a depthwise layer mixes nothing"
    assert torch.allclose(found["head"].mean, read["head"].mean(0), atol=1e-5)
    assert torch.allclose(found["head"].covariance, torch.cov(read["head"].T, correction=0), atol=1e-5)
    assert found["down.0.0"].mean.shape == (16 * 9,)
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("layer", "mixes"),
    [
        (nn.Linear(8, 1), True),
        (nn.Conv2d(8, 1, 3), True),
        (nn.Conv2d(8, 8, 3, groups=8), False),
        (nn.Conv2d(8, 8, 3, groups=2), False),
        (nn.BatchNorm2d(8), False),
    ],
    ids=str,
)
def test_only_layers_that_mix_all_their_inputs_make_up_for_any(layer: nn.Module, mixes: bool) -> None:
    assert (mixing(nn.Sequential(layer), "0") is layer) == mixes


def test_a_dense_layer_after_a_flattened_map_reads_each_channel_at_all_of_its_places() -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 16, 16), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).eval()
    group = find_structure(net, SPEC).group("0")
    assert readers_of(group, net)["3"].tolist() == [list(range(4 * c, 4 * c + 4)) for c in range(16)]


class _Halves(nn.Module):
    """Two convolutions, each of which reads a half of what another makes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.left, self.right = nn.Conv2d(3, 32, 3), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = torch.relu(self.first(x)).chunk(2, 1)
        return self.head(torch.cat([self.left(left), self.right(right)], 1).mean([2, 3]))


def test_layers_that_read_a_part_of_a_group_do_not_tell_how_well_its_channels_can_be_made_up_for() -> None:
    net = _Halves().eval()
    structure = find_structure(net, SPEC)
    assert readers_of(structure.group("first"), net) == {}
    moments = gather_moments(net, structure, torch.randn(4, 3, 32, 32))
    assert moments.keys() == {"head"}
    assert scores_by_elimination(structure.group("first"), net, moments) is None


def _group_of(channels: int, inputs_of_one: int = 1) -> ChannelGroup:
    """Channels that ``reader`` reads, each at so many places."""
    inputs = tuple(range(channels * inputs_of_one))
    members = tuple(position // inputs_of_one for position in inputs)
    return ChannelGroup("maker", channels, (Span("reader", False, inputs, members),))


def _net_that_reads(weight: torch.Tensor) -> nn.Module:
    net = nn.Module()
    net.reader = nn.Linear(weight.shape[1], weight.shape[0])
    net.reader.weight = nn.Parameter(weight)
    return net


def _order(rows: torch.Tensor, weight: torch.Tensor, inputs_of_one: int = 1) -> list[int]:
    group = _group_of(weight.shape[1] // inputs_of_one, inputs_of_one)
    scores = scores_by_elimination(group, _net_that_reads(weight), {"reader": moments_of(rows)})
    assert scores is not None
    return in_order(scores)


@pytest.mark.usefixtures("undamped")
def test_one_of_two_copies_and_one_part_of_a_sum_go_first_and_what_they_were_copies_of_does_not() -> None:
    rows = torch.randn(500, 16, generator=torch.Generator().manual_seed(0))
    rows[:, 9] = rows[:, 4]
    rows[:, 12] = rows[:, 6] + rows[:, 7]
    order = _order(rows, _weight(5, 16))
    first = set(order[:2])
    assert len(first & {4, 9}) == 1
    assert len(first & {6, 7, 12}) == 1


def test_copies_that_are_read_at_several_places_go_first() -> None:
    rows = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    rows[:, 4 * 9 : 4 * 10] = rows[:, 4 * 2 : 4 * 3]
    assert _order(rows, _weight(5, 64), inputs_of_one=4)[0] in (2, 9)


@pytest.mark.parametrize("inputs_of_one", [1, 3])
def test_the_next_to_go_is_always_the_one_that_adds_least_to_all_that_was_lost(inputs_of_one: int) -> None:
    rows, weight = _rows(16 * inputs_of_one), _weight(5, 16 * inputs_of_one)
    inverse = torch.linalg.inv(moments_of(rows).damped().double())

    def lost(channels: list[int]) -> float:
        """Least error of all weights that are zero there."""
        gone = torch.arange(16 * inputs_of_one).reshape(16, -1)[channels].flatten()
        its = weight[:, gone].double()
        return float(((its @ torch.linalg.inv(inverse[gone][:, gone])) * its).sum())

    gone: list[int] = []
    while len(gone) < 8:
        gone.append(min(set(range(16)) - set(gone), key=lambda channel: lost([*gone, channel])))
    assert _order(rows, weight, inputs_of_one)[:8] == gone


def test_of_inputs_that_nothing_can_make_up_for_the_one_goes_first_that_moves_the_outputs_least() -> None:
    rows = torch.randn(20000, 16, generator=torch.Generator().manual_seed(0))
    rows[:, 5] *= 0.1
    weight = _weight(5, 16)
    weight[:, 11] *= 0.01
    assert _order(rows, weight)[:2] == [11, 5]


def _left_after_half(
    net: nn.Module, structure: Structure, moments: dict[str, Moments], scores: dict[str, torch.Tensor]
) -> float:
    """Error of all layers that read a group which lost its half, summed over the groups."""
    total = 0.0
    for group in structure.groups:
        gone = in_order(scores[group.name])[: group.channels // 2]
        for layer, columns in readers_of(group, net).items():
            weight = net.get_parameter(f"{layer}.weight").detach().flatten(1)
            made, _ = made_up_for(moments[layer], weight, columns[gone].flatten())
            total += _error(moments[layer], weight, made)
    return total


def test_less_is_lost_than_where_the_channels_of_least_magnitude_go(
    net: TinyNet, structure: Structure, examples: Examples, moments: dict[str, Moments]
) -> None:
    lost = {
        criterion: _left_after_half(
            net, structure, moments, dict(score_channels(criterion, net, SPEC, structure, examples, moments))
        )
        for criterion in ("reconstruction", "magnitude")
    }
    assert lost["reconstruction"] < 0.7 * lost["magnitude"]


def test_scores_are_the_order_in_which_the_channels_go(
    net: TinyNet, structure: Structure, moments: dict[str, Moments]
) -> None:
    before = {name: parameter.clone() for name, parameter in net.named_parameters()}
    for group in structure.groups:
        scores = scores_by_elimination(group, net, moments)
        assert scores is not None
        assert sorted(scores.tolist()) == list(range(group.channels))
    assert all(torch.equal(parameter, before[name]) for name, parameter in net.named_parameters())


def test_in_wide_layers_several_go_at_once_and_the_last_are_ranked_all_the_same(
    net: TinyNet, structure: Structure, moments: dict[str, Moments], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(least_squares, "_AT_ONCE", 288 * (288 + 16) // 5 + 1)  # ``project.0``: 288 to 16
    scores = scores_by_elimination(structure.group("block.2.0"), net, moments)
    assert scores is not None
    assert sorted(scores.tolist()) == [0.0] * 5 + [5.0] * 5 + [10.0] * 5 + [15.0] * 5 + [20.0] * 4 + list(range(24, 32))


def test_inputs_that_never_change_go_first_and_break_nothing() -> None:
    rows = torch.randn(500, 16, generator=torch.Generator().manual_seed(0))
    rows[:, [3, 8]] = torch.tensor([0.0, 7.0])
    assert set(_order(rows, _weight(5, 16))[:2]) == {3, 8}
    assert sorted(_order(torch.zeros(500, 16), _weight(5, 16))) == list(range(16))
