"""Run ai-edge-quantizer on a float ``.tflite`` by a recipe of ours, its errors mapped to ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import ModelError
from hawklet_converter.quiet import quiet

Range = Mapping[str, npt.NDArray[np.float64]]
"""``min`` and ``max``, each ``float64 [1, 1]``, as the quantizer's own calibration would give them."""


def apply_recipe(content: bytes, fill: Callable[[Any], None], ranges: Mapping[str, Range] | None = None) -> bytes:
    """Quantize a file.

    Args:
        content: The float file.
        fill: Adds its lines to an empty ``RecipeManager``; called with the library's chatter silenced.
        ranges: Tensor name -> range, for recipes that quantize activations beforehand.

    Raises:
        ModelError: the quantizer cannot do what the recipe asks.
    """
    with quiet():
        from ai_edge_quantizer import quantizer, recipe_manager

        recipe = recipe_manager.RecipeManager()
        fill(recipe)
        try:
            worker = quantizer.Quantizer(content, recipe.get_quantization_recipe())
            result = worker.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError(
                f"ai-edge-quantizer cannot apply the plan: {' '.join(str(error).split())[:300]}"
            ) from error
    return bytes(result.quantized_model)
