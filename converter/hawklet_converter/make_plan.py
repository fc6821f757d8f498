"""Make the quantization plan: several candidates, judged on validation pictures by the very file they lead to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from hawklet.spec import Floats
from hawklet_converter.choose_ranges import METHODS, choose_ranges
from hawklet_converter.collect_ranges import Distribution
from hawklet_converter.correct_bias import correct_bias, weight_scales
from hawklet_converter.fit_temperature import log_softmax
from hawklet_converter.plan import ActivationQuant, QuantPlan

FLOAT_OPS = {
    # XNNPACK takes no int8 HARD_SWISH, and would cut the graph into slow pieces around each one.
    "tflite": ("HARD_SWISH",),
    # ONNX Runtime has no integer kernels for these.
    "onnx": ("HardSigmoid", "HardSwish"),
}
"""What is left in float, for speed."""


@dataclass(frozen=True)
class Evidence:
    """What a plan is made from."""

    net: fx.GraphModule
    """Folded."""
    distributions: Mapping[str, Distribution]
    """Key in the plan -> values on the calibration pictures."""
    given: Mapping[str, ActivationQuant]
    """Grids known beforehand: the pixels'."""
    correctable: Collection[str]
    """Module paths whose bias every file holds, recognised."""
    inputs: torch.Tensor
    """``float32 [N, C, H, W]``: calibration pictures for bias correction."""


@dataclass(frozen=True)
class Judgement:
    """How near the logits of a quantized file come to the float file's, on the same pictures."""

    divergence: float
    """Mean Kullback-Leibler divergence of the probabilities, nats."""
    agreement: float
    """Share of pictures with the same best class, percent."""


def judge(logits: Floats, reference: Floats) -> Judgement:
    """Compare two outputs ``float32 [N, classes]``."""
    log_p, log_q = log_softmax(reference), log_softmax(logits)
    divergence = float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())
    return Judgement(divergence, agreement(logits, reference))


def agreement(logits: Floats, reference: Floats) -> float:
    """Share of pictures with the same best class, percent."""
    return float((logits.argmax(axis=1) == reference.argmax(axis=1)).mean() * 100)


def candidate_plans(evidence: Evidence) -> Iterator[QuantPlan]:
    """Each way to choose ranges, with and without bias correction."""
    scales = weight_scales(evidence.net)
    shifts = _as_tuples(correct_bias(evidence.net, evidence.inputs, evidence.correctable))
    for method in METHODS:
        grids = choose_ranges(evidence.distributions, method, evidence.given)
        yield QuantPlan(f"{method} + bias correction", grids, scales, shifts, FLOAT_OPS)
        yield QuantPlan(method, grids, scales, {}, FLOAT_OPS)


def _as_tuples(shifts: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, tuple[float, ...]]:
    return {path: tuple(map(float, shift)) for path, shift in shifts.items()}


def rank_plans(
    evidence: Evidence, run: Callable[[QuantPlan], Floats], reference: Floats
) -> tuple[list[QuantPlan], dict[str, Judgement]]:
    """The candidates, first the one whose file's probabilities come nearest to the float network's.

    Nearness of all probabilities, not the count of right answers: a few dozen validation pictures cannot tell plans
    apart by counting, and would reward luck.

    Args:
        evidence: What to make plans from.
        run: Writes the file of a plan and returns its logits on the validation pictures.
        reference: The float file's logits on them, ``float32 [N, classes]``.

    Returns:
        The plans, and how each was judged, by its method.
    """
    plans = list(candidate_plans(evidence))
    judged = {plan.method: judge(run(plan), reference) for plan in plans}
    return sorted(plans, key=lambda plan: judged[plan.method].divergence), judged
