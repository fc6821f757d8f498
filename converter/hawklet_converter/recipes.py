"""What a conversion may try, as data: recipes, cheapest first, and the attempts each is made of.

A recipe's name says what the file computes in::

    float32            as trained
    float16            weights 16 bit; computes in float
    int8               weights and activations 8 bit, weights with a scale per output channel
    int8-pertensor     the same with one scale per layer, for accelerators that know no other
    int8-mixed         int8, and the layers that lose most for their size in float
    int8-qat           int8, trained some epochs as it will be rounded, the float network teaching
    int8-dynamic       weights alone 8 bit; computes in float, and is never called int8
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from hawklet.errors import UsageError
from hawklet.spec import Precision

NOISE = "noise"
"""Ranges by what they do to the answer."""


@dataclass(frozen=True)
class Attempt:
    """One way to make an int8 plan."""

    ranges: str = NOISE
    """``noise`` (by what they do to the answer), or a name of :data:`hawklet_converter.choose_ranges.METHODS`."""
    adaptive_rounding: bool = False
    """Round weights so that outputs stay; else to nearest, with corrected biases."""
    per_channel: bool = True
    float_share: float = 0.0
    """Share of the multiplications that may stay in float."""
    train: bool = False
    """Quantization-aware training."""

    @property
    def name(self) -> str:
        """The steps in words, but for what all attempts begin with: channels are made alike."""
        words = [
            f"ranges by {self.ranges}",
            "one scale a layer" if not self.per_channel else "",
            "adaptive rounding" if self.adaptive_rounding else "corrected biases",
            f"up to {self.float_share:.0%} in float" if self.float_share else "",
            "trained quantized" if self.train else "",
        ]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True)
class Recipe:
    """A kind of file, and the attempts at it, cheapest first."""

    name: str
    precision: Precision
    costs: str
    """What making it takes."""
    keeps: str
    """What it gives and keeps."""
    attempts: tuple[Attempt, ...] = ()
    """Empty where there is one way only."""
    method: str = ""
    """That way in words."""


_INT8 = (Attempt(), Attempt(adaptive_rounding=True), Attempt(ranges="mse", adaptive_rounding=True))

_RECIPES = (
    Recipe("float32", Precision.FLOAT32, "nothing", "everything: the network as trained, 4 bytes a weight"),
    Recipe(
        "float16",
        Precision.FLOAT16,
        "seconds",
        "all accuracy, half the size; no faster on a CPU",
        method="weights stored in 16 bits",
    ),
    Recipe(
        "int8",
        Precision.INT8,
        "a minute",
        "a quarter of the size, 1.2 to 7 times the speed; top-1 within about a point",
        _INT8,
    ),
    Recipe(
        "int8-pertensor",
        Precision.INT8,
        "a minute",
        "as int8 for accelerators that know one scale per layer; loses more accuracy",
        (Attempt(per_channel=False), Attempt(per_channel=False, adaptive_rounding=True)),
    ),
    Recipe(
        "int8-mixed",
        Precision.INT8,
        "some minutes",
        "nearer to float than int8; a few layers compute in float, named in the report",
        tuple(Attempt(adaptive_rounding=True, float_share=share) for share in (0.01, 0.03, 0.1)),
    ),
    Recipe(
        "int8-qat",
        Precision.INT8,
        "epochs of training",
        "the speed of int8, what rounding lost won back by training",
        (Attempt(train=True),),
    ),
    Recipe(
        "int8-dynamic",
        Precision.DYNAMIC_INT8,
        "seconds",
        "weights alone in 8 bits: a quarter of the size, computes in float, mostly slower than float32",
        method="weights stored in 8 bits, a scale per channel",
    ),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _RECIPES}
AUTO = ("int8", "int8-mixed", "int8-qat")
"""What is tried, in this order, when no recipe is named."""


def recipes_named(name: str | None) -> tuple[Recipe, ...]:
    """The recipes to try for ``--recipe``; None is :data:`AUTO`.

    Raises:
        UsageError: there is none of this name; the message names the closest.
    """
    if name is None:
        return tuple(RECIPES[entry] for entry in AUTO)
    if name in RECIPES:
        return (RECIPES[name],)
    close = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"a recipe (--recipe) must be one of {', '.join(RECIPES)}, got {name!r}{hint}")
