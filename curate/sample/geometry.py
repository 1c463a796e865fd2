"""Affines and exact polygon operations on one pixel grid.

Vertex (x, y) is the centre of pixel (x, y). A picture of W x H pixels covers the frame
[-0.5, W - 0.5] x [-0.5, H - 0.5]; clips use that box, so that the areas of tiles add up.
An affine is a float64 array of shape (2, 3) that maps parent pixels to output pixels:
``[x', y'] = A[:, :2] @ [x, y] + A[:, 2]``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

Box = tuple[float, float, float, float]


def frame(width: int, height: int) -> Box:
    """The box that a picture covers in vertex coordinates: (x0, y0, x1, y1)."""
    return (-0.5, -0.5, width - 0.5, height - 0.5)


def identity() -> np.ndarray:
    """The affine that moves nothing."""
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def translation(dx: float, dy: float) -> np.ndarray:
    """Shift by (dx, dy) pixels."""
    return np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])


def scale_affine(sx: float, sy: float | None = None) -> np.ndarray:
    """A resize by ``sx`` (and ``sy``): x -> (x + 0.5) sx - 0.5."""
    sy = sx if sy is None else sy
    return np.array([[sx, 0.0, (sx - 1) / 2], [0.0, sy, (sy - 1) / 2]])


def rotation_about(degrees: float, centre: tuple[float, float]) -> np.ndarray:
    """Turn clockwise as seen on the screen (y down) by ``degrees`` about ``centre`` in pixels."""
    turn = math.radians(degrees)
    c, s = math.cos(turn), math.sin(turn)
    if degrees % 90 == 0:  # quarter turns stay exact
        c, s = float(round(c)), float(round(s))
    x, y = centre
    return np.array([[c, -s, x - c * x + s * y], [s, c, y - s * x - c * y]])


def flip_affine(width: int) -> np.ndarray:
    """Mirror left and right: x -> W - 1 - x."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def compose(*affines: np.ndarray) -> np.ndarray:
    """The affine that applies the last argument first: ``compose(B, A)`` is B after A."""
    total = _square(affines[0])
    for affine in affines[1:]:
        total = total @ _square(affine)
    return total[:2]


def _square(affine: np.ndarray) -> np.ndarray:
    """An affine as the (3, 3) matrix of homogeneous coordinates."""
    square = np.eye(3)
    square[:2] = affine
    return square


def invert(affine: np.ndarray) -> np.ndarray:
    """The inverse affine; raises ``numpy.linalg.LinAlgError`` when it is singular."""
    return np.linalg.inv(_square(affine))[:2]


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points of shape (n, 2)."""
    points = np.asarray(points, dtype=np.float64)
    return points @ affine[:, :2].T + affine[:, 2]


def transform_geometry(geometry: BaseGeometry, affine: np.ndarray) -> BaseGeometry:
    """Map every vertex of a geometry by an affine, in float64."""
    return shapely.transform(geometry, lambda points: apply_affine(affine, points))


def linear_scale(affine: np.ndarray) -> float:
    """How many output pixels one parent pixel is wide: the square root of |det|."""
    return math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))


def region_polygon(region: Box | Sequence[Sequence[float]]) -> Polygon:
    """A region as a polygon: a box (x0, y0, x1, y1) or a ring of points."""
    if len(region) == 4 and not isinstance(region[0], Sequence):
        return box(*region)
    return Polygon(region)


def polygonal_parts(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons of a geometry with an area; lines and points are left out."""
    if isinstance(geometry, Polygon):
        return [geometry] if geometry.area > 0 else []
    if not hasattr(geometry, "geoms"):
        return []
    return [part for member in geometry.geoms for part in polygonal_parts(member)]


def as_areal(parts: Iterable[Polygon]) -> Polygon | MultiPolygon:
    """One polygon as itself, several as a multipolygon, none as the empty polygon."""
    parts = list(parts)
    if not parts:
        return Polygon()
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def clip(geometry: BaseGeometry, region: Box | BaseGeometry) -> Polygon | MultiPolygon:
    """The exact part of a valid (multi)polygon inside a region: parts and holes survive, lines and points do not.

    A box is triaged by bounds first; what lies whole inside comes back untouched, vertex for vertex.

    Source: ``shapely.intersection``; ``clip_by_rect`` is faster but returned invalid polygons for concave input.
    """
    if geometry.is_empty:
        return Polygon()
    x0, y0, x1, y1 = geometry.bounds
    if isinstance(region, BaseGeometry):
        rx0, ry0, rx1, ry1 = region.bounds
    else:
        rx0, ry0, rx1, ry1 = region
        if x0 >= rx0 and y0 >= ry0 and x1 <= rx1 and y1 <= ry1:
            return geometry
    if x1 <= rx0 or y1 <= ry0 or x0 >= rx1 or y0 >= ry1:
        return Polygon()
    target = region if isinstance(region, BaseGeometry) else box(*region)
    return as_areal(polygonal_parts(shapely.intersection(geometry, target)))
