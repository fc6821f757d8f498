"""How the network is computed while it learns: chosen by measuring a few steps on this machine, before training starts.

What is fastest differs by network and processor (bfloat16 doubles a ResNet's speed on processors that multiply it in
hardware and slows MobileNetV3 down on the same machine, unless its depthwise convolutions stay in float32; channels
last helps most networks on CPUs), so no rule is written here.
"""

from __future__ import annotations

import copy
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hawklet.errors import UsageError
from hawklet_trainer.training.float32_depthwise import Float32Depthwise, has_depthwise

MEASURED = " (measured, in images/s: "
"""What stands between the way that is taken and the figures of all."""
_WARM_UP_TURNS = 1
_TIMED_TURNS = 2
_FEW = 8
"""Pictures of a trial step on a CPU: enough to tell ways apart, and a few seconds in all."""
_WORTH_IT = 1.05
"""What is less exact or less simple than float32 must be faster by this factor."""
_DTYPES = {str(dtype): dtype for dtype in (torch.float32, torch.bfloat16)}
_LONG = 1200.0
"""Seconds of steps from which on compiling, which takes a minute or two itself, is tried without being asked for."""


class Compile(str, Enum):
    """Whether the network is compiled (torch.compile) for training."""

    AUTO = "auto"
    """Where the training is long, and it is measured to pay for itself."""
    YES = "yes"
    NO = "no"


@dataclass(frozen=True)
class Speed:
    """How a network is computed while it learns."""

    dtype: torch.dtype = torch.float32
    """``float32``, or ``bfloat16`` where that is safe (mixed precision)."""
    channels_last: bool = True
    """How maps lie in memory."""
    compiled: bool = False
    float32_depthwise: bool = False
    """Whether depthwise convolutions are computed in float32 all the same."""

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**vars(self), "dtype": str(self.dtype)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Speed:
        """Read :meth:`to_plain` back.

        Raises:
            KeyError: there is no such data type, or none is said.
            TypeError: something else is said too.
        """
        return cls(**{**plain, "dtype": _DTYPES[plain["dtype"]]})

    @property
    def memory_format(self) -> torch.memory_format:
        """As torch has it."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def describe(self) -> str:
        """For a person: ``bfloat16, channels last``."""
        but = " but for depthwise convolutions" if self.float32_depthwise else ""
        layout = "channels last" if self.channels_last else "channels first"
        return f"{str(self.dtype).removeprefix('torch.')}{but}, {layout}{', compiled' if self.compiled else ''}"

    @contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """Context in which a forward pass computes in this data type where that is safe."""
        with (
            torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16),
            Float32Depthwise() if self.float32_depthwise else nullcontext(),
        ):
            yield

    def lay_out(self, net: nn.Module) -> None:
        """Lay the weights out in memory, in place."""
        net.to(memory_format=self.memory_format)

    def compile(self, net: nn.Module) -> nn.Module:
        """What to call in the network's stead."""
        return torch.compile(net) if self.compiled else net  # type: ignore[return-value]  # it is a module


def choose_speed(net: nn.Module, x: torch.Tensor, steps: int, compiling: Compile) -> tuple[Speed, str]:
    """Time a few training steps of each kind, in turns; the fastest counts, since a neighbour can only slow it down.

    Args:
        net: The network; a copy is stepped, it is left as it is.
        x: One batch, ``float [N, C, H, W]``.
        steps: How many such steps the training has.
        compiling: Whether to compile.

    Returns:
        The fastest way, and a line that says what was measured.
    """
    trial = _Trial(net, x)
    seconds = trial.in_turns([Speed(channels_last=True), Speed(channels_last=False)])
    likely = min(seconds, key=seconds.__getitem__)
    for speed, taken in trial.in_turns([likely, *trial.short(likely)]).items():
        seconds[speed] = min(taken, seconds.get(speed, math.inf))
    chosen = min(seconds, key=lambda speed: seconds[speed] * (1.0 if speed.dtype is torch.float32 else _WORTH_IT))
    said = ", ".join(f"{speed.describe()} {trial.count / taken:.0f}" for speed, taken in seconds.items())
    whole = seconds[chosen] * steps * len(x) / trial.count
    if compiling is Compile.YES or (compiling is Compile.AUTO and whole > _LONG):
        chosen, of_compiled = trial.compiled(chosen, seconds[chosen], whole, compiling)
        said += of_compiled
    return chosen, f"{chosen.describe()}{MEASURED}{said})"


def _missing_compiler(device: torch.device) -> str:
    compiler = os.environ.get("CXX", "g++" if device.type == "cpu" else "gcc")
    return "" if shutil.which(compiler) else f"there is no {compiler} here"


class _Trial:
    """A copy of a network that is stepped in one way and another."""

    def __init__(self, net: nn.Module, x: torch.Tensor):
        self._x = x if x.is_cuda else x[:_FEW]
        self._net = copy.deepcopy(net).train()

    @property
    def count(self) -> int:
        """Pictures of a step."""
        return len(self._x)

    def short(self, like: Speed) -> list[Speed]:
        """Ways to compute in bfloat16, laid out alike."""
        whole = replace(like, dtype=torch.bfloat16)
        mixed = has_depthwise(self._net) and not self._x.is_cuda  # a GPU loses nothing by them
        return [whole, *([replace(whole, float32_depthwise=True)] if mixed else [])]

    def in_turns(self, kinds: list[Speed]) -> dict[Speed, float]:
        """Seconds of a step of each."""
        seconds = dict.fromkeys(kinds, math.inf)
        for turn in range(_WARM_UP_TURNS + _TIMED_TURNS):
            for speed in kinds:
                taken = self._seconds_of_step(self._net, speed)
                if turn >= _WARM_UP_TURNS:
                    seconds[speed] = min(seconds[speed], taken)
        return seconds

    def compiled(self, plain: Speed, seconds: float, whole: float, compiling: Compile) -> tuple[Speed, str]:
        """Compile and time that too.

        Args:
            plain: The fastest way without.
            seconds: Of a step of it.
            whole: Seconds of all steps of it.
            compiling: YES chooses the compiled one whatever it takes.

        Raises:
            UsageError: it is to be compiled, and cannot be.
        """
        speed = replace(plain, compiled=True)
        try:
            spent, fastest = self._compile(speed)
        except RuntimeError as error:  # torch's compiler raises nothing else
            reason = _missing_compiler(self._x.device) or " ".join(str(error).split())[:120]
            if compiling is Compile.YES:
                raise UsageError(f"--compile yes needs a network that torch can compile here: {reason}") from error
            return plain, f"; not compiled: {reason}"
        said = f", compiled {self.count / fastest:.0f} after {spent:.0f} s of compiling"
        pays = fastest * _WORTH_IT < seconds and whole * (1.0 - fastest / seconds) > spent
        return (speed if pays or compiling is Compile.YES else plain), said

    def _compile(self, speed: Speed) -> tuple[float, float]:
        """Seconds of compiling, and of a step then."""
        missing = _missing_compiler(self._x.device)
        if missing:
            raise RuntimeError(missing)
        start = time.perf_counter()
        net = speed.compile(self._net)
        self._seconds_of_step(net, speed)
        spent = time.perf_counter() - start
        return spent, min(self._seconds_of_step(net, speed) for _ in range(_TIMED_TURNS))

    def _seconds_of_step(self, net: nn.Module, speed: Speed) -> float:
        speed.lay_out(self._net)
        x = self._x.contiguous(memory_format=speed.memory_format)
        target = torch.zeros(len(x), dtype=torch.long, device=x.device)
        self._net.zero_grad()
        start = time.perf_counter()
        with speed.autocast(x.device):
            loss = functional.cross_entropy(net(x).float(), target)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if x.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start
