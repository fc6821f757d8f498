"""Whether an answer is accepted: a least score for each class, and a bound on how unfamiliar a picture may look.

Both are fitted when a bundle is made (``hawklet convert --precision``), on the outputs of the file that will run, and
travel in its manifest; nothing is learned here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import BundleError
from hawklet.spec import Rejection

_ENERGY = "energy"
_NAMED = 4
"""Classes whose least score is said each."""


def energy_of(logits: npt.NDArray[np.floating], temperature: float) -> npt.NDArray[np.float64]:
    """How unfamiliar pictures look: ``-T * log(sum(exp(logits / T)))``, low for pictures like those trained on.

    Source: W. Liu et al., "Energy-based Out-of-distribution Detection" (2020). A softmax divides away how large the
    logits are altogether, and that is what tells the unfamiliar.

    Args:
        logits: ``float [..., classes]``.
        temperature: The one that logits are divided by before the softmax.

    Returns:
        ``float64 [...]``, in units of the logits.
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    highest = scaled.max(axis=-1, keepdims=True)
    sums = np.exp(scaled - highest).sum(axis=-1)
    energies: npt.NDArray[np.float64] = -temperature * (highest[..., 0] + np.log(sums))
    return energies


@dataclass(frozen=True)
class UnknownRule:
    """When a picture counts as unlike those that the model was trained on."""

    threshold: float
    """Highest energy (:func:`energy_of`) that is accepted, in units of the logits."""
    accepts: float
    """Share of new pictures of the classes that it was fitted to accept, 0..1."""
    validated: Mapping[str, Any] | None = None
    """What it did to pictures of no class, which it was not fitted on; None: nobody tried."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        data: dict[str, Any] = {"score": _ENERGY, "threshold": self.threshold, "accepts": self.accepts}
        if self.validated is not None:
            data["validated"] = dict(self.validated)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> UnknownRule:
        """Inverse of :meth:`to_dict`.

        Raises:
            BundleError: it is of another score, or holds what is no number.
            KeyError, TypeError, ValueError: it is malformed.
        """
        if data["score"] != _ENERGY:
            raise BundleError(f"this hawklet tells the unknown by its {_ENERGY}, got {data['score']!r}; update hawklet")
        validated = data.get("validated")
        rule = cls(float(data["threshold"]), float(data["accepts"]), None if validated is None else dict(validated))
        if not math.isfinite(rule.threshold) or not 0 < rule.accepts <= 1:
            raise BundleError(f"the bundle's rule for the unknown must be of finite numbers, got {dict(data)}")
        return rule


@dataclass(frozen=True)
class Acceptance:
    """What it takes for an answer to be accepted."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Label -> least score, 0..1."""
    unknown: UnknownRule | None = None
    """None: no picture is too unfamiliar."""
    otherwise: float = 0.0
    """Least score of the labels without a threshold, 0..1."""

    def judge(self, label: str, score: float, energy: float | None) -> Rejection | None:
        """Why an answer is not accepted; None: it is.

        Args:
            label: The best class.
            score: Its score, 0..1.
            energy: The picture's; needed where there is a rule for the unknown.
        """
        if self.unknown is not None and energy is not None and energy > self.unknown.threshold:
            return Rejection.UNKNOWN
        return Rejection.DOUBTFUL if score < self.thresholds.get(label, self.otherwise) else None

    def overridden(self, least: float | None, *, accept_unknown: bool = False) -> Acceptance:
        """The same with ``least`` in place of all thresholds, where it is given, and without a rule for the unknown."""
        changed = self if least is None else replace(self, thresholds={}, otherwise=least)
        return replace(changed, unknown=None) if accept_unknown else changed

    def describe(self) -> str:
        """In one line what is accepted; empty: everything."""
        return "; ".join(text for text in (self._scores(), self._unknown()) if text)

    def _scores(self) -> str:
        least = sorted(self.thresholds.items(), key=lambda item: item[1])
        if not least:
            return f"accepts answers from a score of {self.otherwise:g} on" if self.otherwise else ""
        if len(least) <= _NAMED:
            named = ", ".join(f"{label} {value:.2f}" for label, value in least)
            return f"accepts answers from a score on: {named}"
        (lowest, low), (highest, high) = least[0], least[-1]
        return f"accepts answers from scores of {low:.2f} ({lowest}) to {high:.2f} ({highest}) on"

    def _unknown(self) -> str:
        if self.unknown is None:
            return ""
        return (
            f"rejects pictures unlike those trained on (energy above {self.unknown.threshold:.3g}, fitted to accept "
            f"{self.unknown.accepts:.0%})"
        )
