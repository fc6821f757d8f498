"""Make quantization plans as :mod:`hawklet_converter.recipes` says, sharing between attempts what they share."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import fx

from hawklet_converter.choose_ranges import choose_ranges
from hawklet_converter.collect_ranges import Distribution, collect_ranges, spread
from hawklet_converter.correct_bias import correct_bias
from hawklet_converter.equalize_channels import equalize_channels
from hawklet_converter.float_segments import FloatSegment, choose_float_segment
from hawklet_converter.lift_tiny_channels import lift_tiny_channels
from hawklet_converter.plan import ActivationQuant, QuantPlan
from hawklet_converter.range_noise import RangeChoice, choose_ranges_by_noise
from hawklet_converter.recipes import NOISE, Attempt
from hawklet_converter.round_weights import round_weights
from hawklet_converter.weight_grid import weight_scales

FLOAT_OPS = {
    # XNNPACK takes no int8 HARD_SWISH, and would cut the graph into slow pieces around each one.
    "tflite": ("HARD_SWISH",),
    # ONNX Runtime has no integer kernels for these.
    "onnx": ("HardSigmoid", "HardSwish"),
}
"""What is left in float, for speed."""

_BIAS_PICTURES = 48
_NOISE_PICTURES = 48
_ROUNDING_PICTURES = 64
"""All of an activation is held in memory for these, twice."""


@dataclass(frozen=True)
class Evidence:
    """What plans are made from."""

    net: fx.GraphModule
    """Folded."""
    inputs: torch.Tensor
    """``float32 [N, C, H, W]``: calibration pictures, sorted by class."""
    given: Mapping[str, ActivationQuant]
    """Grids known beforehand: the pixels'."""
    own: Mapping[str, Distribution]
    """Activations that exporters made up, by their keys in the plan."""
    movable: frozenset[str]
    """Module paths of the layers whose weights and biases every file holds, recognised."""
    stored: frozenset[str]
    """fx nodes whose values a file stores."""
    seed: int


@dataclass(frozen=True)
class Planned:
    """A plan with the network that goes with it."""

    net: fx.GraphModule
    """Its weights and biases are what the files get."""
    plan: QuantPlan
    segment: FloatSegment
    """What stays in float by choice."""
    finished: bool = True
    """False: the time ended before its training did."""


class PlanMaker:
    """Makes plans; what two attempts share is made once."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def make(self, attempt: Attempt) -> Planned:
        """One attempt's plan, before any training."""
        net = copy.deepcopy(self._rounded(attempt.adaptive_rounding, attempt.per_channel))
        segment = self._segment(attempt)
        plan = QuantPlan(
            attempt.name,
            self._grids(attempt),
            weight_scales(net, per_channel=attempt.per_channel),
            FLOAT_OPS,
            segment.nodes,
            attempt.per_channel,
        )
        return Planned(net, lift_tiny_channels(net, plan), segment)

    @functools.cached_property
    def _equalized(self) -> fx.GraphModule:
        known = self._evidence
        return equalize_channels(known.net, known.inputs, known.movable, known.stored)

    @functools.cached_property
    def _distributions(self) -> dict[str, Distribution]:
        found = collect_ranges(self._equalized, self._evidence.inputs, self._evidence.seed)
        return {**found, **self._evidence.own}

    @functools.cached_property
    def _by_noise(self) -> RangeChoice:
        pictures = _some(self._evidence.inputs, _NOISE_PICTURES)
        stored = self._evidence.stored - set(self._evidence.given)
        return choose_ranges_by_noise(self._equalized, pictures, self._distributions, stored)

    def _grids(self, attempt: Attempt) -> dict[str, ActivationQuant]:
        by_values = "mse" if attempt.ranges == NOISE else attempt.ranges
        grids = choose_ranges(self._distributions, by_values, self._evidence.given)
        if attempt.ranges == NOISE:  # it knows only what a file stores
            grids.update(self._by_noise.grids)
        return grids

    @functools.cache  # noqa: B019 -- a maker lives as long as its conversion
    def _rounded(self, adaptive: bool, per_channel: bool) -> fx.GraphModule:
        net, known = self._equalized, self._evidence
        if adaptive:
            pictures = _some(known.inputs, _ROUNDING_PICTURES)
            return round_weights(net, pictures, known.movable, per_channel=per_channel, seed=known.seed)
        return correct_bias(net, _some(known.inputs, _BIAS_PICTURES), known.movable, per_channel=per_channel)

    def _segment(self, attempt: Attempt) -> FloatSegment:
        if not attempt.float_share:
            return FloatSegment()
        known = self._evidence
        noise = self._by_noise.noise
        return choose_float_segment(known.net, known.inputs[:1], noise, known.stored, attempt.float_share)


def _some(inputs: torch.Tensor, count: int) -> torch.Tensor:
    return inputs[spread(len(inputs), count)]
