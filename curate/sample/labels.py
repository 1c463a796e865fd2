"""Polygons through a recipe: the same affine as the pixels, then an exact clip to what stays visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely.geometry import Polygon

from curate.sample.annotation import Annotation
from curate.sample.geometry import (
    Box,
    apply_affine,
    as_areal,
    clip,
    compose,
    frame,
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
    if place.field is None:
        return shapely.transform(shapes, lambda p: apply_affine(matrix, p))
    fine = shapely.segmentize(shapely.transform(shapes, lambda p: apply_affine(matrix, p)), FIELD_STEP)
    return shapely.transform(fine, lambda p: displace_points(place.field, p, size))


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
    to_scale = None if total == 1.0 else scale_affine(total)
    left: Counter[str] = Counter()
    slivers: Counter[str] = Counter()
    sliver_area = 0.0
    out: list[Annotation] = []
    for place, region in zip(recipe.placements, visible_regions(recipe), strict=True):
        annotations = annotations_of(place.parent)
        if not annotations:
            continue
        for annotation, shape in zip(annotations, _moved(place, annotations, recipe.size), strict=True):
            seen, whole = _seen(shape, region)
            if seen.is_empty:
                left[annotation.label] += 1
                continue
            parts = [seen] if isinstance(seen, Polygon) else list(seen.geoms)
            for part in parts:
                if not whole and part.area < SLIVER_AREA:
                    slivers[annotation.label] += 1
                    sliver_area += part.area
                    continue
                out.append(
                    Annotation(
                        annotation.label,
                        part if to_scale is None else transform_geometry(part, to_scale),
                        str(len(out)),
                        annotation.source or f"{place.parent}#{annotation.id}",
                        annotation.weight * (place.weight if place.blend == "mean" else 1.0),
                    )
                )
    return tuple(out), Dropped(dict(sorted(left.items())), dict(sorted(slivers.items())), sliver_area)


def _seen(shape: shapely.Geometry, region: Box | shapely.Geometry) -> tuple[shapely.Geometry, bool]:
    """The visible part of a moved shape, and whether that is the whole shape."""
    if not shape.is_valid:  # rounding can make a needle touch itself
        shape = as_areal(polygonal_parts(shapely.make_valid(shape)))
    seen = clip(shape, region)
    return seen, seen is shape or seen.equals(shape)


def resize_annotations(annotations: Sequence[Annotation], scale: float) -> tuple[Annotation, ...]:
    """Annotations of a picture resized by ``scale``; at scale 1 the originals with their integer points."""
    if scale == 1.0:
        return tuple(annotations)
    affine = compose(scale_affine(scale))
    return tuple(replace(a, geometry=transform_geometry(a.geometry, affine), rings=None) for a in annotations)
