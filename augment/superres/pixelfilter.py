"""The network as a filter of pixels that a recipe names, with the digest of its weights among the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from augment.superres.engine import load_network
from augment.superres.restore import Settings, restore
from augment.superres.weights import Weights
from curate.errors import RecipeError
from curate.sample.recipe import Filter

NAME = "superres"


def filter_of(weights: Weights, settings: Settings) -> Filter:
    """The filter of a recipe that restores a film by these weights."""
    params = {"model": weights.model, "weights": weights.digest} | settings.to_dict()
    return Filter(NAME, params, float(settings.factor))


def apply_superres(gray: np.ndarray, params: Mapping[str, Any], seed: int) -> np.ndarray:
    """Restore a film as its recipe says; nothing is random here, so that the seed has no part in it.

    Raises:
        RecipeError: parameters that no recipe of ours has.
        WeightsError: the weights that the recipe names are not here.
    """
    try:
        settings, model, digest = Settings.from_dict(params), str(params["model"]), str(params["weights"])
    except (KeyError, TypeError) as error:
        raise RecipeError(NAME, f"cannot be read from the recipe: {error}") from None
    return restore(gray, load_network(model, digest, settings.half, settings.engine), settings)
