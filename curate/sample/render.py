"""The one renderer: a recipe and its parents become pixels and polygons, at any scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import shapely

from curate.errors import RecipeError
from curate.sample.annotation import Annotation
from curate.sample.blend import FEATHER, SURROUND, Surroundings, attenuate, attenuate_inside
from curate.sample.filters import apply_filter, keeps_depth
from curate.sample.geometry import (
    apply_affine,
    compose,
    frame,
    identity,
    region_polygon,
    scale_affine,
    transform_geometry,
    translation,
)
from curate.sample.image import to_uint8
from curate.sample.labels import Dropped, render_labels
from curate.sample.raster import coverage_fraction
from curate.sample.recipe import Placement, Recipe
from curate.sample.tone import matched
from curate.sample.warp import STRIP, Film, check_field, warp, warp_with_field

EDGE = 0.8
"""A region may reach this many parent pixels beyond its film and still count as lying within it: no seam of background
shows between films laid edge to edge, and what a film's outermost pixels are drawn out by stays below one pixel."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """A derived sample.

    Attributes:
        image: uint8 array of shape (height, width).
        full: the same at 16 bits, uint16, where parent and filters have that depth; else ``None``.
        annotations: in the image's pixels.
        dropped: what left the frame or was too small to keep.
    """

    image: np.ndarray
    annotations: tuple[Annotation, ...]
    dropped: Dropped
    full: np.ndarray | None = None


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
    if recipe.filters and scale == 1.0:
        recipe.check()
        picture = _filtered(recipe, film_of)
        return Rendered(to_uint8(picture), labels, dropped, None if picture.dtype == np.uint8 else picture)
    return Rendered(render_image(recipe, film_of, scale), labels, dropped)


def render_image(recipe: Recipe, film_of: Callable[[str], Film], scale: float = 1.0) -> np.ndarray:
    """The pixels of a recipe: uint8 array of shape (round(height * scale), round(width * scale)).

    A recipe with filters is rendered at full size, filtered and then shrunk: noise and kernels count in pixels.
    """
    recipe.check()
    if recipe.filters:
        canvas = to_uint8(_filtered(recipe, film_of))
        if scale == 1.0:
            return canvas
        size = tuple(round(edge * scale) for edge in recipe.output_size)
        _check_size(recipe, size, scale)
        return warp(Film(canvas, 0), scale_affine(scale), size, inside=True)
    return _canvas(recipe, film_of, scale)


def _filtered(recipe: Recipe, film_of: Callable[[str], Film]) -> np.ndarray:
    """A recipe with filters at full size: uint8, or uint16 where ``_whole_film`` has that depth."""
    deep = _whole_film(recipe, film_of)
    canvas = _canvas(recipe, film_of, 1.0) if deep is None else deep
    for k, step in enumerate(recipe.filters):
        canvas = apply_filter(step, canvas, recipe.seed + k)
    if deep is not None:
        bits = max(int(deep.max(initial=0)).bit_length(), 8)
        if int(canvas.max(initial=0)).bit_length() != bits:  # a reader goes by the largest value: it would brighten
            return np.minimum(canvas >> (bits - 8), 255).astype(np.uint8)
    return canvas


def _whole_film(recipe: Recipe, film_of: Callable[[str], Film]) -> np.ndarray | None:
    """The grey values, uint16, of the one film that a recipe only filters, if all its filters keep depth."""
    if len(recipe.placements) != 1 or not all(keeps_depth(step.name) for step in recipe.filters):
        return None
    (place,) = recipe.placements
    full = film_of(place.parent).full
    plain = place.field is None and place.blend == "replace" and np.array_equal(place.matrix(), identity())
    if full is None or not plain or full.shape != (recipe.size[1], recipe.size[0]):
        return None
    return full if tuple(place.region) == frame(*recipe.size) else None


def _check_size(recipe: Recipe, size: tuple[int, ...], scale: float) -> None:
    if min(size) < 1:
        raise RecipeError(recipe.operator, f"nothing is left of {recipe.output_size} at scale {scale}")


def _canvas(recipe: Recipe, film_of: Callable[[str], Film], scale: float) -> np.ndarray:
    """The placements laid over one another, before any filter."""
    size = (round(recipe.size[0] * scale), round(recipe.size[1] * scale))
    _check_size(recipe, size, scale)
    to_scale = scale_affine(scale)
    fill = film_of(recipe.placements[0].parent).background if recipe.fill == "background" else int(recipe.fill)
    canvas = np.full((size[1], size[0]), fill, np.uint8)
    places = list(recipe.placements)
    while places:
        place = places.pop(0)
        if place.blend == "mean":
            layer = [place]
            while places and places[0].blend == "mean":
                layer.append(places.pop(0))
            _mean(canvas, layer, recipe, film_of, to_scale)
            continue
        patch = _patch(place, recipe, film_of, to_scale, size, fill)
        if patch is None:
            continue
        window, pixels, mask = patch
        if place.blend == "attenuate" and mask is None:
            pixels = attenuate(canvas[window], pixels, film_of(place.parent).background, place.weight)
        elif place.blend == "attenuate":
            near = Surroundings(SURROUND * scale, place.crossed)
            pixels = attenuate_inside(canvas[window], pixels, mask, place.weight, FEATHER * scale, near)
        if mask is None:
            canvas[window] = pixels
        else:
            np.copyto(canvas[window], pixels, where=mask)
    return canvas


def _patch(
    place: Placement, recipe: Recipe, film_of: Callable[[str], Film], to_scale: np.ndarray, size: tuple[int, int],
    fill: int,
):
    """The window of the canvas that a placement touches, its pixels there, and which of them it owns (all: None)."""
    film = film_of(place.parent)
    box = len(place.region) == 4 and not isinstance(place.region[0], tuple)
    region = region_polygon(place.region)
    if box:
        corners = apply_affine(to_scale, np.reshape(place.region, (2, 2)))
        mask = None
        # a pixel belongs to the box that holds its centre, the upper and left edge included
        x0, y0, x1, y1 = (ceil(v - 1e-6) for v in corners.ravel())
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size[0]), min(y1, size[1])
    else:
        edge = SURROUND if place.blend == "attenuate" else 0
        filled, (x0, y0) = coverage_fraction(transform_geometry(region, to_scale), size)
        x1, y1 = x0 + filled.shape[1], y0 + filled.shape[0]
        if edge and filled.size:  # levels along the ring are read outside it
            left, top, right, bottom = min(edge, x0), min(edge, y0), min(edge, size[0] - x1), min(edge, size[1] - y1)
            filled = np.pad(filled, ((top, bottom), (left, right)))
            x0, y0, x1, y1 = x0 - left, y0 - top, x1 + right, y1 + bottom
        mask = filled >= 0.5 - 1e-9
    if x0 >= x1 or y0 >= y1:
        return None
    window = (slice(y0, y1), slice(x0, x1))
    extent = (x1 - x0, y1 - y0)
    if place.field is None:
        affine = compose(translation(-x0, -y0), to_scale, place.matrix())
        covered = shapely.covers(_extent(place, film), region)
        outside = None if recipe.fill == "background" else fill
        pixels = warp(film, affine, extent, outside, inside=bool(covered))
    else:
        check_field(place.field, recipe.size)
        pixels = warp_with_field(film, place.matrix(), place.field, recipe.size, to_scale, (x0, y0), extent)
    if place.levels == "first":
        pixels = matched(pixels, film, film_of(recipe.placements[0].parent))
    return window, pixels, mask


def _extent(place: Placement, film: Film) -> shapely.Polygon:
    """Where a placement's whole film would lie, wider by ``EDGE``."""
    height, width = film.gray.shape
    x0, y0, x1, y1 = frame(width, height)
    margin = EDGE
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    corners += np.sign(corners - corners.mean(axis=0)) * margin
    return shapely.Polygon(apply_affine(place.matrix(), corners))


def _mean(
    canvas: np.ndarray, layer: list[Placement], recipe: Recipe, film_of: Callable[[str], Film], to_scale: np.ndarray
) -> None:
    """Lay the weighted mean of some placements over the canvas, where at least one of them lies."""
    size = (canvas.shape[1], canvas.shape[0])
    patches = [(place, _patch(place, recipe, film_of, to_scale, size, 0)) for place in layer]
    for top in range(0, size[1], STRIP):  # sums take eight times the memory of the pixels
        strip = canvas[top : top + STRIP]
        total, weight = np.zeros(strip.shape), np.zeros(strip.shape)
        for place, patch in patches:
            if patch is None:
                continue
            (rows, columns), pixels, mask = patch
            first, last = max(rows.start - top, 0), min(rows.stop - top, len(strip))
            if first >= last:
                continue
            here, part = np.s_[first:last, columns], slice(top + first - rows.start, top + last - rows.start)
            share = place.weight if mask is None else place.weight * mask[part]
            total[here] += pixels[part] * share
            weight[here] += share
        shown = weight > 0
        strip[shown] = np.rint(total[shown] / weight[shown]).astype(np.uint8)
