"""The one renderer: a recipe and its parents become pixels and polygons, at any scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from curate.errors import RecipeError
from curate.sample.annotation import Annotation
from curate.sample.filters import apply_filter
from curate.sample.geometry import apply_affine, compose, region_polygon, scale_affine, transform_geometry, translation
from curate.sample.labels import Dropped, render_labels
from curate.sample.raster import coverage_fraction
from curate.sample.recipe import Placement, Recipe
from curate.sample.warp import Film, check_field, warp, warp_with_field


@dataclass(frozen=True, eq=False)
class Rendered:
    """A derived sample.

    Attributes:
        image: uint8 array of shape (height, width).
        annotations: in the image's pixels.
        dropped: what left the frame or was too small to keep.
    """

    image: np.ndarray
    annotations: tuple[Annotation, ...]
    dropped: Dropped


def render(
    recipe: Recipe,
    film_of: Callable[[str], Film],
    annotations_of: Callable[[str], Sequence[Annotation]],
    scale: float = 1.0,
) -> Rendered:
    """Make the sample that a recipe describes.

    Args:
        film_of, annotations_of: parent id -> its pixels and its annotations, at the parent's full size.
        scale: output pixels per output pixel of the recipe; one resampling, straight from the parents.
    """
    labels, dropped = render_labels(recipe, annotations_of, scale)
    return Rendered(render_image(recipe, film_of, scale), labels, dropped)


def render_image(recipe: Recipe, film_of: Callable[[str], Film], scale: float = 1.0) -> np.ndarray:
    """The pixels of a recipe: uint8 array of shape (round(height * scale), round(width * scale))."""
    recipe.check()
    width, height = round(recipe.size[0] * scale), round(recipe.size[1] * scale)
    if width < 1 or height < 1:
        raise RecipeError(recipe.operator, f"nothing is left of {recipe.size} at scale {scale}")
    to_scale = scale_affine(scale)
    fill = film_of(recipe.placements[0].parent).background if recipe.fill == "background" else int(recipe.fill)
    canvas = np.full((height, width), fill, np.uint8)
    places = list(recipe.placements)
    while places:
        place = places.pop(0)
        if place.blend == "mean":
            layer = [place]
            while places and places[0].blend == "mean":
                layer.append(places.pop(0))
            _mean(canvas, layer, recipe, film_of, to_scale)
            continue
        patch = _patch(place, recipe, film_of(place.parent), to_scale, (width, height), fill)
        if patch is None:
            continue
        window, pixels, mask = patch
        if place.blend == "attenuate":
            pixels = _attenuate(canvas[window], pixels, film_of(place.parent).background, place.weight)
        if mask is None:
            canvas[window] = pixels
        else:
            np.copyto(canvas[window], pixels, where=mask)
    for k, step in enumerate(recipe.filters):
        canvas = apply_filter(step, canvas, recipe.seed + k)
    return canvas


def _patch(place: Placement, recipe: Recipe, film: Film, to_scale: np.ndarray, size: tuple[int, int], fill: int):
    """The window of the canvas that a placement touches, its pixels there, and which of them it owns."""
    box = len(place.region) == 4 and not isinstance(place.region[0], tuple)
    if box:
        corners = apply_affine(to_scale, np.reshape(place.region, (2, 2)))
        mask = None
        # a pixel belongs to the box that holds its centre, the upper and left edge included
        x0, y0, x1, y1 = (ceil(v - 1e-6) for v in corners.ravel())
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size[0]), min(y1, size[1])
    else:
        filled, (x0, y0) = coverage_fraction(transform_geometry(region_polygon(place.region), to_scale), size)
        mask = filled >= 0.5 - 1e-9
        x1, y1 = x0 + mask.shape[1], y0 + mask.shape[0]
    if x0 >= x1 or y0 >= y1:
        return None
    window = (slice(y0, y1), slice(x0, x1))
    extent = (x1 - x0, y1 - y0)
    if place.field is None:
        affine = compose(translation(-x0, -y0), to_scale, place.matrix())
        outside = None if recipe.fill == "background" else fill
        return window, warp(film, affine, extent, outside), mask
    check_field(place.field, recipe.size)
    return window, warp_with_field(film, place.matrix(), place.field, recipe.size, to_scale, (x0, y0), extent), mask


def _mean(
    canvas: np.ndarray, layer: list[Placement], recipe: Recipe, film_of: Callable[[str], Film], to_scale: np.ndarray
) -> None:
    """Lay the weighted mean of some placements over the canvas, where at least one of them lies."""
    size = (canvas.shape[1], canvas.shape[0])
    total, weight = np.zeros(canvas.shape), np.zeros(canvas.shape)
    for place in layer:
        patch = _patch(place, recipe, film_of(place.parent), to_scale, size, 0)
        if patch is None:
            continue
        window, pixels, mask = patch
        share = place.weight if mask is None else place.weight * mask
        total[window] += pixels * share
        weight[window] += share
    here = weight > 0
    canvas[here] = np.rint(total[here] / weight[here]).astype(np.uint8)


def _attenuate(below: np.ndarray, above: np.ndarray, background: int, weight: float) -> np.ndarray:
    """One film seen through another: transmissions multiply (Beer-Lambert on films shown bright where dense).

    The transmission of ``above`` is (255 - v) / (255 - background), at most 1, to the power ``weight``.
    """
    levels = (255.0 - np.arange(256)) / max(255 - background, 1)
    transmission = np.clip(levels, 0, 1) ** weight
    return np.rint(255.0 - (255.0 - below) * transmission[above]).astype(np.uint8)
