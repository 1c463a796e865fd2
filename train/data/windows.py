"""A window of a child that has no files, rendered straight from its parents: no more pixels than a patch needs.

The window of a recipe is a recipe: every placement moved, the frame made smaller. So the one renderer makes it, and it
is the part of the whole picture, up to the rounding of a resampling (one or two grey levels at an edge).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from curate.sample.geometry import apply_affine, compose, translation
from curate.sample.recipe import Placement, Recipe
from curate.sample.render import render_image
from curate.sample.warp import Film


def has_windows(recipe: Recipe) -> bool:
    """Whether a window of this picture is made without the rest of it.

    Not so with filters (noise and kernels count from the whole picture), with displacement fields, and with
    attenuation, which reads the levels round its ring.
    """
    return not recipe.filters and all(p.field is None and p.blend != "attenuate" for p in recipe.placements)


def window_recipe(recipe: Recipe, x: int, y: int, size: tuple[int, int]) -> Recipe:
    """The recipe of a part of a picture.

    Args:
        recipe: of the whole, one that :func:`has_windows`.
        x, y: its first pixel. size: (width, height).
    """
    moved = tuple(_moved(place, -x, -y) for place in recipe.placements)
    return replace(recipe, size=size, placements=moved)


def _moved(place: Placement, dx: int, dy: int) -> Placement:
    if isinstance(place.region[0], tuple):
        region = apply_affine(translation(dx, dy), np.array(place.region))
    else:
        region = np.add(place.region, (dx, dy, dx, dy))
    affine = compose(translation(dx, dy), place.matrix())
    return Placement.of(
        place.parent, affine, region, blend=place.blend, weight=place.weight, labels=place.labels
    )


def render_window(
    recipe: Recipe, film_of: Callable[[str], Film], x: int, y: int, side: int, background: int
) -> np.ndarray:
    """The pixels of a square window of a picture.

    Args:
        recipe: of the whole. film_of: parent id -> its pixels.
        x, y: first pixel, inside the picture. side: pixels.
        background: grey level outside the picture.

    Returns:
        uint8 (side, side).
    """
    width, height = min(side, recipe.size[0] - x), min(side, recipe.size[1] - y)
    seen = render_image(window_recipe(recipe, x, y, (width, height)), film_of)
    if seen.shape == (side, side):
        return seen
    out = np.full((side, side), background, np.uint8)
    out[:height, :width] = seen
    return out
