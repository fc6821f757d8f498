"""How a network is computed is measured, once on each machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from hawklet.errors import UsageError
from hawklet_trainer.training import kept_speeds, speed
from hawklet_trainer.training.speed import Compile, Speed, choose_speed
from tiny_networks import TinyNet

X = torch.zeros(4, 3, 32, 32)


class _Counted:
    """Steps that take what they are said to take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[Speed, float]):
        self.timed: list[Speed] = []

        def take(_trial: object, _net: nn.Module, how: Speed) -> float:
            self.timed.append(how)
            return seconds[how]

        monkeypatch.setattr(speed._Trial, "_seconds_of_step", take)
        monkeypatch.setattr(speed._Trial, "_compile", lambda _trial, how: (60.0, seconds[how]))


def _kinds() -> dict[Speed, float]:
    kinds = itertools.product((torch.float32, torch.bfloat16), *[(True, False)] * 3)
    return {Speed(*kind): 1.0 for kind in kinds}


@pytest.mark.parametrize(
    ("faster", "chosen"),
    [
        ({Speed(torch.bfloat16, True): 0.5}, Speed(torch.bfloat16, True)),
        ({Speed(torch.bfloat16, True): 0.97}, Speed(torch.float32, True)),
        ({Speed(torch.float32, False): 0.8}, Speed(torch.float32, False)),
        ({Speed(torch.float32, False): 0.8, Speed(torch.bfloat16, False): 0.5}, Speed(torch.bfloat16, False)),
        (
            {Speed(torch.bfloat16): 0.9, Speed(torch.bfloat16, float32_depthwise=True): 0.8},
            Speed(torch.bfloat16, float32_depthwise=True),
        ),
    ],
)
def test_the_fastest_is_chosen_but_float32_where_bfloat16_gains_little(
    monkeypatch: pytest.MonkeyPatch, faster: dict[Speed, float], chosen: Speed
) -> None:
    _Counted(monkeypatch, _kinds() | faster)
    way, said = choose_speed(TinyNet(3), X, 10, Compile.NO)
    assert way == chosen and said.startswith(chosen.describe())


def test_depthwise_convolutions_are_left_out_only_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = _Counted(monkeypatch, _kinds())
    choose_speed(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.LazyLinear(3)), X, 10, Compile.NO)
    assert not any(how.float32_depthwise for how in counted.timed)


def test_depthwise_convolutions_stay_in_float32_and_all_else_does_not() -> None:
    torch.manual_seed(0)
    depthwise, pointwise = nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1)
    x = torch.randn(2, 8, 6, 6).bfloat16()
    with Speed(torch.bfloat16, float32_depthwise=True).autocast(x.device):
        middle = depthwise(x)
        answers = pointwise(middle)
    assert torch.equal(middle, depthwise(x.float()).bfloat16()) and answers.dtype is torch.bfloat16
    answers.float().sum().backward()
    assert depthwise.weight.grad is not None and depthwise.weight.grad.dtype is torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert not torch.equal(middle, depthwise(x))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, weight: nn.functional.conv2d(x, weight, groups=8),
        lambda x, weight: nn.functional.conv2d(x, weight=weight, groups=8),
        lambda x, weight: nn.functional.conv2d(input=x, weight=weight, groups=8),
    ],
)
def test_a_users_own_network_may_call_its_convolutions_by_any_names(
    call: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    x, weight = torch.randn(1, 8, 4, 4), torch.randn(8, 1, 3, 3)
    with Speed(torch.bfloat16, float32_depthwise=True).autocast(x.device):
        answers = call(x, weight)
    assert torch.allclose(answers.float(), nn.functional.conv2d(x, weight, groups=8), atol=0.1)


@pytest.mark.parametrize(
    ("steps", "compiling", "seconds", "compiled"),
    [
        (2000, Compile.AUTO, 0.5, True),
        (2000, Compile.AUTO, 0.98, False),  # does not pay
        (1000, Compile.AUTO, 0.5, False),  # too short to try
        (1, Compile.YES, 5.0, True),
        (9000, Compile.NO, 0.1, False),
    ],
)
def test_compiling_is_tried_for_long_trainings_and_taken_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, steps: int, compiling: Compile, seconds: float, compiled: bool
) -> None:
    _Counted(monkeypatch, _kinds() | {Speed(compiled=True): seconds})
    assert choose_speed(TinyNet(3), X, steps, compiling)[0].compiled is compiled


def test_compiling_where_there_is_no_compiler_is_refused_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(speed, "_LONG", 0.0)
    way, said = choose_speed(TinyNet(3), X, 10, Compile.AUTO)
    assert not way.compiled and "no no-such-compiler here" in said
    with pytest.raises(UsageError, match="no no-such-compiler here"):
        choose_speed(TinyNet(3), X, 10, Compile.YES)


def test_what_was_measured_is_kept_for_the_same_network_on_the_same_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kept_speeds, "folder", lambda: tmp_path)
    counted = _Counted(monkeypatch, _kinds() | {Speed(torch.bfloat16): 0.5})
    first = kept_speeds.fastest_way(TinyNet(3), X, 10, Compile.NO)[0]
    timed = len(counted.timed)
    again, said = kept_speeds.fastest_way(TinyNet(3), X, 10, Compile.NO)
    assert again == first == Speed(torch.bfloat16) and len(counted.timed) == timed and "some time ago" in said
    kept_speeds.fastest_way(TinyNet(4), X, 10, Compile.NO)
    assert len(counted.timed) == 2 * timed


def test_a_damaged_record_is_measured_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept_speeds, "folder", lambda: tmp_path)
    _Counted(monkeypatch, _kinds())
    kept_speeds.fastest_way(TinyNet(3), X, 10, Compile.NO)
    [path] = tmp_path.iterdir()
    path.write_text("{")
    assert kept_speeds.fastest_way(TinyNet(3), X, 10, Compile.NO)[0] == Speed()
