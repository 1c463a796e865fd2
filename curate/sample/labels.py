"""Polygons through a recipe: the same affine as the pixels, then an exact clip to what stays visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from curate.sample.annotation import Annotation
from curate.sample.geometry import (
    Box,
    apply_affine,
    as_areal,
    compose,
    frame,
    identity,
    linear_scale,
    polygonal_parts,
    region_polygon,
    scale_affine,
    transform_geometry,
)
from curate.sample.recipe import Placement, Recipe
from curate.sample.warp import displace_points

SLIVER_AREA = 4.0
"""A part that a clip left with less area than this (px² of the output at full size) is dropped, and counted."""

FIELD_STEP = 4.0
"""Edges are cut into pieces of at most this many output pixels before a displacement field bends them."""


LEAST_SCALE = 1e-3
"""Moved by at least this scale, a ring of whole numbers stays valid whatever the rounding."""


@dataclass(frozen=True)
class Dropped:
    """What a recipe took away, per class: annotations that left the frame, and clipped parts too small to keep."""

    left: dict[str, int]
    slivers: dict[str, int]
    sliver_area: float = 0.0

    def to_dict(self) -> dict:
        return {"left": self.left, "slivers": self.slivers, "sliver_area": round(self.sliver_area, 6)}


def visible_regions(recipe: Recipe) -> list[Box | shapely.Geometry]:
    """Where each placement can be seen: its region, inside the frame, less later replacements."""
    picture = frame(*recipe.size)
    shapes = [region_polygon(p.region) for p in recipe.placements]
    result: list[Box | shapely.Geometry] = []
    for k, (place, shape) in enumerate(zip(recipe.placements, shapes, strict=True)):
        covers = [
            s
            for p, s in zip(recipe.placements[k + 1 :], shapes[k + 1 :], strict=True)
            if p.blend == "replace" and s.intersects(shape) and not s.touches(shape)
        ]
        if not covers and len(place.region) == 4 and not isinstance(place.region[0], tuple):
            x0, y0, x1, y1 = place.region
            result.append((max(x0, picture[0]), max(y0, picture[1]), min(x1, picture[2]), min(y1, picture[3])))
            continue
        seen = shapely.intersection(shape, shapely.box(*picture))
        for cover in covers:
            seen = shapely.difference(seen, cover)
        result.append(as_areal(polygonal_parts(seen)))
    return result


def _moved(place: Placement, annotations: Sequence[Annotation], size: tuple[int, int]) -> np.ndarray:
    """The geometries of a parent's annotations in the output, before any clip."""
    shapes = np.array([a.geometry for a in annotations], dtype=object)
    matrix = place.matrix()
    if np.array_equal(matrix, identity()):
        moved = shapes
    else:
        moved = shapely.transform(shapes, lambda p: apply_affine(matrix, p))
    if place.field is None:
        return moved
    return shapely.transform(shapely.segmentize(moved, FIELD_STEP), lambda p: displace_points(place.field, p, size))


def render_labels(
    recipe: Recipe, annotations_of: Callable[[str], Sequence[Annotation]], scale: float = 1.0
) -> tuple[tuple[Annotation, ...], Dropped]:
    """The annotations of a derived sample, one for each part of each (class, parent annotation).

    Clips happen at full size whatever the scale, so that a smaller render has the same annotations.

    Args:
        annotations_of: parent id -> its annotations, in the parent's own pixels.
        scale: output pixels of this render per output pixel of the recipe.

    Returns:
        annotations in output pixels, and what was dropped.
    """
    total = scale * float(np.prod([f.scale for f in recipe.filters])) if recipe.filters else scale
    left: Counter[str] = Counter()
    slivers: Counter[str] = Counter()
    sliver_area = 0.0
    kept: list[tuple[shapely.Geometry, Annotation, Placement]] = []
    for place, region in zip(recipe.placements, visible_regions(recipe), strict=True):
        annotations = annotations_of(place.parent)
        if place.labels is not None:
            annotations = [a for a in annotations if a.label in place.labels]
        if not annotations:
            continue
        shapes = _moved(place, annotations, recipe.size)
        robust = place.field is None and linear_scale(place.matrix()) > LEAST_SCALE
        trusted = np.array([robust and a.robust for a in annotations])
        pieces, owner, whole = clip_all(shapes, region, trusted)
        areas = shapely.area(pieces)
        for k in sorted(set(range(len(annotations))) - set(owner.tolist())):
            left[annotations[k].label] += 1
        for piece, area, k, untouched in zip(pieces, areas.tolist(), owner.tolist(), whole.tolist(), strict=True):
            if not untouched and area < SLIVER_AREA:
                slivers[annotations[k].label] += 1
                sliver_area += area
            else:
                kept.append((piece, annotations[k], place))
    shapes = np.array([piece for piece, _, _ in kept], dtype=object)
    if total != 1.0 and kept:
        matrix = scale_affine(total)
        shapes = shapely.transform(shapes, lambda p: apply_affine(matrix, p))
    out = (
        Annotation(
            a.label,
            shape,
            str(k),
            a.source or f"{place.parent}#{a.id}",
            a.weight * (place.weight if place.blend == "mean" else 1.0),
        )
        for k, (shape, (_, a, place)) in enumerate(zip(shapes, kept, strict=True))
    )
    return tuple(out), Dropped(dict(sorted(left.items())), dict(sorted(slivers.items())), sliver_area)


def clip_all(
    shapes: np.ndarray, region: Box | shapely.Geometry, trusted: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is seen of many shapes in one region, exactly, each connected part for itself.

    Triage first (bounds for a box, ``covers`` for a polygon): what lies whole inside comes back untouched.

    Args:
        shapes: object array of (multi)polygons; one that rounding has made touch itself is mended.
        trusted: bool array, shapes known to be valid.

    Returns:
        the polygons with an area, the index of the shape that each came from, ascending, and whether the region had
        left that part of the shape as it was.
    """
    doubtful = np.arange(len(shapes)) if trusted is None else np.flatnonzero(~trusted)
    for k in doubtful[~shapely.is_valid(shapes[doubtful])]:
        shapes = shapes.copy()
        shapes[k] = as_areal(polygonal_parts(shapely.make_valid(shapes[k])))
    parts, owner = shapely.get_parts(shapes, return_index=True)
    bounds = shapely.bounds(parts)
    polygon = isinstance(region, shapely.Geometry)
    x0, y0, x1, y1 = region.bounds if polygon else region
    with np.errstate(invalid="ignore"):  # an empty region has no bounds
        meets = (bounds[:, 2] > x0) & (bounds[:, 3] > y0) & (bounds[:, 0] < x1) & (bounds[:, 1] < y1)
    whole = (bounds[:, 0] >= x0) & (bounds[:, 1] >= y0) & (bounds[:, 2] <= x1) & (bounds[:, 3] <= y1)
    if polygon:
        shapely.prepare(region)
        whole[whole] = shapely.covers(region, parts[whole])
    cut = np.flatnonzero(meets & ~whole)
    target = region if polygon else shapely.box(*region)
    pieces = [(int(k), part, True) for k, part in zip(np.flatnonzero(whole), parts[whole], strict=True)]
    for k, seen in zip(cut.tolist(), shapely.intersection(parts[cut], target), strict=True):
        pieces += [(k, part, False) for part in polygonal_parts(seen)]
    pieces.sort(key=lambda piece: piece[0])
    shown = np.empty(len(pieces), dtype=object)
    shown[:] = [part for _, part, _ in pieces]
    index = np.array([k for k, _, _ in pieces], dtype=np.int64)
    return shown, owner[index], np.array([untouched for _, _, untouched in pieces], dtype=bool)


def resize_annotations(annotations: Sequence[Annotation], scale: float) -> tuple[Annotation, ...]:
    """Annotations of a picture resized by ``scale``; at scale 1 the originals with their integer points."""
    if scale == 1.0:
        return tuple(annotations)
    affine = compose(scale_affine(scale))
    return tuple(replace(a, geometry=transform_geometry(a.geometry, affine), rings=None) for a in annotations)
