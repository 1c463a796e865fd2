"""Changes of pixels that a recipe names: registered by name, replayed from their parameters and the recipe's seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from curate.errors import RecipeError
from curate.sample.recipe import Filter

PixelFilter = Callable[[np.ndarray, Mapping[str, Any], int], np.ndarray]
"""(uint8 (h, w), parameters, seed) -> uint8 (h * scale, w * scale)"""

_REGISTERED: dict[str, PixelFilter] = {}


def register(name: str, function: PixelFilter) -> None:
    """Make a filter known under the name that recipes use."""
    _REGISTERED[name] = function


def apply_filter(step: Filter, gray: np.ndarray, seed: int) -> np.ndarray:
    """Run one filter of a recipe.

    Args:
        gray: uint8 array of shape (height, width).
        seed: of the recipe and the filter's place in it; the only source of its randomness.

    Raises:
        RecipeError: unknown name, or a result that is not the promised picture.
    """
    function = _REGISTERED.get(step.name)
    if function is None:
        raise RecipeError(step.name, f"is no filter known here; known: {', '.join(sorted(_REGISTERED)) or 'none'}")
    result = function(gray, step.params, seed)
    expected = (round(gray.shape[0] * step.scale), round(gray.shape[1] * step.scale))
    if result.dtype != np.uint8 or result.shape != expected:
        raise RecipeError(step.name, f"gave {result.dtype} {result.shape} where uint8 {expected} was promised")
    return result
