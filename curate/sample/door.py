"""Validity at the door: points from a file become a valid polygon, a told repair, or a named refusal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

from curate.errors import LabelError
from curate.sample.geometry import as_areal, clip, frame, polygonal_parts

MAX_VERTICES = 1_000_000
"""More points than this in one ring are refused before any geometry is built."""

CERTAIN = 0.01
"""A crossing ring is repaired when the area that its repair could be wrong about is under this share of its area."""


@dataclass(frozen=True)
class Admitted:
    """A polygon that may enter.

    Attributes:
        geometry: valid and not empty, inside the frame.
        repairs: what was changed, one phrase each; empty when the points are used as they stood.
    """

    geometry: Polygon | MultiPolygon
    repairs: tuple[str, ...]


def as_points(points: Sequence | np.ndarray, path: str, label: str) -> np.ndarray:
    """Points as they stand as a float64 array of shape (n, 2), n >= 1; an array of that kind comes back itself.

    Raises:
        LabelError: not pairs of finite numbers, or too many.
    """
    if len(points) > MAX_VERTICES:
        raise LabelError(path, f"{label}: {len(points)} points, more than {MAX_VERTICES}")
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise LabelError(path, f"{label}: points are not pairs of numbers") from None
    if array.size == 0:
        raise LabelError(path, f"{label}: polygon without points")
    if array.ndim != 2 or array.shape[1] != 2:
        raise LabelError(path, f"{label}: points have shape {array.shape}, expected (n, 2)")
    largest = float(np.abs(array).max())
    if not math.isfinite(largest):
        where = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise LabelError(path, f"{label}: point {where} is not a finite number")
    if largest > 1e7:
        raise LabelError(path, f"{label}: a coordinate of {largest:.3g} cannot be a pixel")
    return array


def ring(points: Sequence | np.ndarray, path: str, label: str) -> np.ndarray:
    """Points as a float64 array of shape (n, 2), without consecutive repeats and without the closing point.

    Raises:
        LabelError: not pairs of finite numbers, too many, or fewer than three different points.
    """
    array = as_points(points, path, label)
    differ = array[1:] != array[:-1]
    fresh = np.append(bool((array[0] != array[-1]).any()), differ[:, 0] | differ[:, 1])
    if not fresh.all():
        array = array[fresh]
    if len(array) < 3 or np.array_equal(array[0], array[2]):  # else the first three are different ones
        others = array[np.any(array != array[:1], axis=1)]
        if not np.any(others != others[:1]):  # all are the first point or one other
            raise LabelError(path, f"{label}: fewer than 3 different points make no polygon")
    return array


def _shoelace(points: np.ndarray) -> float:
    x, y = (points - points[0]).T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def plain_polygons(rings: Sequence[np.ndarray], size: tuple[int, int]) -> list[Polygon | None]:
    """Many rings at once: the polygon of each that ``admit`` would take as it stands, ``None`` for any other.

    Args:
        rings: each float64 (n, 2) as ``as_points`` gives it, n >= 1. size: (width, height) of the picture.
    """
    if not rings:
        return []
    points = np.concatenate(rings)
    count = np.array([len(r) for r in rings])
    owner = np.repeat(np.arange(len(rings)), count)
    first = np.cumsum(count) - count
    before = np.arange(len(points)) - 1
    before[first] = first + count - 1
    differ = points != points[before]
    fresh = differ[:, 0] | differ[:, 1]
    closed = ~fresh[first] & (count > 1)
    kept = np.bincount(owner[fresh], minlength=len(rings))
    plain = (kept == count - closed) & (kept >= 3)
    use = fresh & plain[owner]
    result: list[Polygon | None] = [None] * len(rings)
    chosen = np.flatnonzero(plain)
    if not len(chosen):
        return result
    ring_of = np.repeat(np.arange(len(chosen)), kept[chosen])
    polygons = shapely.polygons(shapely.linearrings(points[use], indices=ring_of))
    x0, y0, x1, y1 = frame(*size)
    bounds = shapely.bounds(polygons)
    fine = (bounds[:, 0] >= x0) & (bounds[:, 1] >= y0) & (bounds[:, 2] <= x1) & (bounds[:, 3] <= y1)
    fine &= shapely.is_valid(polygons)
    for k, polygon, good in zip(chosen.tolist(), polygons, fine.tolist(), strict=True):
        result[k] = polygon if good else None
    return result


def admit(
    outer: Sequence | np.ndarray, holes: Sequence[Sequence | np.ndarray], size: tuple[int, int], path: str, label: str
) -> Admitted:
    """One outer ring and its holes as a valid polygon inside a picture of ``size`` = (width, height).

    A ring that touches or crosses itself is repaired when the repair is certain: the region that its
    winding encloses and the repaired region agree in area to ``CERTAIN`` (a spur, a touching vertex, a
    tiny digitising loop). A figure of eight does not, and is refused.

    Raises:
        LabelError: names the file, the label and the fault.
    """
    rings = [ring(outer, path, label), *(ring(h, path, label) for h in holes)]
    repairs = []
    given = len(outer) + sum(len(h) for h in holes)
    closed = sum(len(h) > 1 and tuple(h[0]) == tuple(h[-1]) for h in [outer, *holes])
    repeats = given - closed - sum(len(r) for r in rings)
    if repeats > 0:
        repairs.append(f"{repeats} repeated points left out")
    geometry: Polygon | MultiPolygon = Polygon(rings[0], rings[1:])
    if not geometry.is_valid:
        reason = shapely.is_valid_reason(geometry)
        wound = abs(_shoelace(rings[0])) - sum(abs(_shoelace(h)) for h in rings[1:])
        fixed = as_areal(polygonal_parts(shapely.make_valid(geometry)))
        doubt = abs(wound - fixed.area)
        if fixed.is_empty or not fixed.is_valid or doubt > CERTAIN * fixed.area:
            raise LabelError(path, f"{label}: {reason.lower()}, and no repair of it is certain")
        repairs.append(f"{reason.split('[')[0].lower()} mended ({doubt:.3g} px² in doubt)")
        geometry = fixed
    inside = clip(geometry, frame(*size))
    if inside.is_empty:
        raise LabelError(path, f"{label}: lies outside the picture of {size[0]} x {size[1]}")
    if inside is not geometry:
        lost = geometry.area - inside.area
        if not math.isclose(lost, 0.0, abs_tol=1e-9):
            repairs.append(f"{lost:.4g} px² outside the picture cut off")
    return Admitted(inside, tuple(repairs))
