"""How long a network of some widths takes, learned from files that were measured.

MACs alone tell little: a depthwise convolution takes several times as long for each as a dense one, and every layer
writes what it puts out. How much each of these weighs is fitted to measured times, so that it holds for the processor
that was measured on, here or on a board.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hawklet_converter.pruning.structure import Structure

Widths = Mapping[str, int]
"""Group name -> channels that remain."""
_Vector = npt.NDArray[np.float64]


class Workload:
    """What a network of some widths has to do, as far as time depends on it."""

    def __init__(self, structure: Structure) -> None:
        layers, groups = structure.layers, structure.groups
        rows = {layer.name: row for row, layer in enumerate(layers)}
        columns = {group.name: column for column, group in enumerate(groups)}
        self._names = [group.name for group in groups]
        self._channels = np.array([group.channels for group in groups], dtype=float)
        # Share of a layer's inputs and outputs that each group makes up.
        self._inputs, self._outputs = np.zeros((len(layers), len(groups))), np.zeros((len(layers), len(groups)))
        for group in groups:
            for span in group.spans:
                if span.layer in rows:
                    row, column = rows[span.layer], columns[group.name]
                    layer, side = layers[row], self._outputs if span.makes else self._inputs
                    side[row, column] = len(span.channels) / (layer.outputs if span.makes else layer.inputs)
        self._depthwise = np.array([layer.depthwise for layer in layers])
        self._macs = np.array([layer.macs for layer in layers], dtype=float)
        self._values = np.array([layer.values for layer in layers], dtype=float)

    def of(self, widths: Widths) -> _Vector:
        """``float64 [4]``: one, then MACs of dense layers, of depthwise ones, and numbers put out, in millions."""
        gone = 1.0 - np.array([widths[name] for name in self._names]) / self._channels
        outputs = 1.0 - self._outputs @ gone
        inputs = np.where(self._depthwise, 1.0, 1.0 - self._inputs @ gone)
        macs = self._macs * inputs * outputs
        depthwise = float(macs[self._depthwise].sum())
        return np.array([1e6, macs.sum() - depthwise, depthwise, float((self._values * outputs).sum())]) / 1e6

    def macs(self, widths: Widths) -> float:
        """Multiply-accumulate operations of one picture, millions."""
        return float(self.of(widths)[1:3].sum())


@dataclass(frozen=True)
class CostModel:
    """Milliseconds of a network of some widths."""

    workload: Workload
    weights: _Vector
    """``float64 [4]``: milliseconds of each unit of :meth:`Workload.of`, none negative."""

    def ms(self, widths: Widths) -> float:
        """Milliseconds of one inference, expected."""
        return float(self.workload.of(widths) @ self.weights)


def macs_alone(workload: Workload) -> CostModel:
    """The model for pruning by MACs: a millisecond a million."""
    return CostModel(workload, np.array([0.0, 1.0, 1.0, 0.0]))


def fit_cost(workload: Workload, measured: Sequence[tuple[Widths, float]]) -> CostModel:
    """Fit the model to measured files by least squares of relative errors, weights not negative.

    Args:
        workload: Of the network.
        measured: Widths and the milliseconds of their file.
    """
    from scipy.optimize import nnls

    times = np.array([ms for _, ms in measured])
    rows = np.array([workload.of(widths) for widths, _ in measured]) / times[:, None]
    scale = np.maximum(rows.max(axis=0), 1e-12)
    weights, _ = nnls(rows / scale, np.ones(len(measured)))
    return CostModel(workload, weights / scale)
