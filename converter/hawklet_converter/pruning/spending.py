"""One budget of time for pruning, training and quantizing, and what it is spent on."""

from __future__ import annotations

import time
from collections.abc import Callable

from hawklet.errors import BudgetError
from hawklet_converter.kept_work import KeptWork

_LOOKING_S = 150.0
"""What choosing channels and finding baselines is reckoned with, for each pruned network."""
_LEAST_MINUTES = 0.25
_LAST_SEARCH = 0.15
"""Share of the budget that is kept for quantizing the pruned network as well as it can be."""


class Spending:
    """Deals out a budget.

    Args:
        budget_s: Seconds in all.
        kept: Remembers what was dealt out, so that a resumed training is the same training.
        note: Told how the budget is spent.
    """

    def __init__(self, budget_s: float, kept: KeptWork, note: Callable[[str], None]) -> None:
        self._start, self._budget_s = time.monotonic(), budget_s
        self._kept, self._note = kept, note
        self.told = ""
        """The plan in words."""

    def left(self) -> float:
        """Seconds that remain; below 0 where it took longer."""
        return self._budget_s - (time.monotonic() - self._start)

    @property
    def for_the_last_search(self) -> float:
        """Seconds that no training gets."""
        return _LAST_SEARCH * self._budget_s

    def minutes_each(self, networks: int, conversions: int, conversion_s: float) -> float:
        """Minutes that each of some networks may be trained.

        Args:
            networks: How many are trained, each for the same time.
            conversions: How many are quantized.
            conversion_s: Seconds that quantizing one takes.

        Raises:
            BudgetError: too little is left for any.
        """

        def deal() -> float:
            reserved = conversions * conversion_s + _LOOKING_S * networks / 3 + self.for_the_last_search
            minutes = (self.left() - reserved) / 60.0 / networks
            if minutes < _LEAST_MINUTES:  # here, so that a refusal is not kept, and --resume may come with more
                raise BudgetError(
                    f"the budget (--budget) must allow {_LEAST_MINUTES * 60:g} s of training for each of {networks} "
                    f"networks beside {conversions} x {conversion_s:.0f} s of quantizing, and "
                    f"{self._budget_s / 60:.2g} minutes do not; allow more, or leave out comparing with --no-baselines"
                )
            return minutes

        minutes = float(self._kept.once("minutes", deal))
        self.told = (
            f"of {self._budget_s / 60:g} minutes (--budget), up to {minutes:.1f} train each of {networks} networks, "
            f"about {conversions * conversion_s / 60:.1f} quantize, the rest is for choosing channels and measuring"
        )
        self._note(self.told)
        return minutes
