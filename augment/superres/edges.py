"""Whether the edges of bones move: each stretch of a polygon's outline, before and after, compared along its normal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from shapely.geometry import LineString
from shapely.geometry.polygon import orient

from curate.sample.annotation import Annotation
from curate.sample.geometry import polygonal_parts

STEP = 2.0
"""Film pixels between points along an outline."""
ALONG = 5
"""Points whose profiles are averaged: 10 px of outline, against noise."""
REACH = 6.0
"""Film pixels on either side of the outline in which its edge is looked for (tracings are a few pixels off)."""
FARTHEST = 2.0
"""A displacement of this many film pixels is the largest that is told from others."""
FINE = 0.25
"""Film pixels between samples of a profile."""
CLEAR = 2.0
"""Grey levels per film pixel: an outline point whose steepest gradient is less has no edge to compare."""
ALIKE = 0.5
"""Profiles whose gradients correlate less, at every shift, show different things: counted as moved farthest."""


@dataclass(frozen=True, eq=False)
class Shifts:
    """How far the edge of one annotation moved, at each point of its outline that has a clear edge.

    Attributes:
        label: the bone. points: of its outline that were looked at.
        shifts: float64 (n,), film pixels outwards along the normal; ``FARTHEST`` where nothing alike was found.
    """

    label: str
    points: int
    shifts: np.ndarray


def edge_shifts(
    before: np.ndarray, after: np.ndarray, annotations: Iterable[Annotation], factor: int = 1, border: float = 0.0
) -> list[Shifts]:
    """Displacement of bones' edges from one picture of a film to another, against the same polygons.

    At points of each outline the grey profile along the normal is sampled in both pictures; the displacement is the
    shift, to a fraction of a pixel, at which the profiles' gradients correlate best. A blur or a sharpening that treats
    both sides alike moves nothing; a new or wandering edge does.

    Args:
        before: (h, w), grey levels. after: (h * factor, w * factor).
        annotations: in pixels of ``before``.
        border: points nearer to the border than this, or than the profiles reach, are left out.

    Returns:
        one entry for each annotation with a point to look at.
    """
    pictures = before.astype(np.float32), after.astype(np.float32)
    room = max(border, REACH + FARTHEST + 2)
    result = []
    for annotation in annotations:
        parts = []
        for polygon in map(orient, polygonal_parts(annotation.geometry)):
            for ring in (polygon.exterior, *polygon.interiors):  # outer rings one way about, holes the other
                parts.append(_ring_shifts(*pictures, LineString(ring.coords), factor, room))
        looked = sum(n for n, _ in parts)
        if looked:
            result.append(Shifts(annotation.label, looked, np.concatenate([s for _, s in parts])))
    return result


def _ring_shifts(
    before: np.ndarray, after: np.ndarray, ring: LineString, factor: int, room: float
) -> tuple[int, np.ndarray]:
    """Points looked at on one ring, and the shifts of those with a clear edge."""
    count = max(int(ring.length / STEP), 8)
    at = np.arange(count) * (ring.length / count)
    points = _points(ring, at)
    tangent = _points(ring, (at + 2 * STEP) % ring.length) - _points(ring, (at - 2 * STEP) % ring.length)
    length = np.hypot(tangent[:, 0], tangent[:, 1])
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
    height, width = before.shape
    inside = (points >= room).all(1) & (points[:, 0] < width - room) & (points[:, 1] < height - room) & (length > 0)
    if not inside.any():
        return 0, np.empty(0)
    normal = normal / np.maximum(length, 1e-9)[:, None]
    reach = np.arange(-REACH - FARTHEST, REACH + FARTHEST + FINE / 2, FINE)
    first = _gradients(before, points, normal, reach, 1)
    second = _gradients(after, points, normal, reach, factor)
    edge = round(FARTHEST / FINE)
    kept = slice(edge, len(reach) - edge)
    clear = inside & (np.abs(first[:, kept]).max(1) >= CLEAR)
    return int(inside.sum()), _best_shift(first[clear], second[clear], edge)


def _points(ring: LineString, at: np.ndarray) -> np.ndarray:
    """Points (n, 2) at distances along a ring."""
    coords = np.asarray(ring.coords)[:, :2]
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(coords, axis=0).T))])
    return np.stack([np.interp(at, along, coords[:, k]) for k in (0, 1)], 1)


def _gradients(
    picture: np.ndarray, points: np.ndarray, normal: np.ndarray, reach: np.ndarray, factor: int
) -> np.ndarray:
    """Grey levels per film pixel along each normal: float32 (points, reach), smoothed by a pixel, averaged along."""
    where = points[:, None, :] + normal[:, None, :] * reach[None, :, None]
    where = ((where + 0.5) * factor - 0.5).astype(np.float32)
    values = cv2.remap(picture, where[..., 0], where[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    slopes = gaussian_filter1d(values, 1.0 / FINE, axis=1, order=1, mode="nearest") / FINE
    return uniform_filter1d(slopes, ALONG, axis=0, mode="wrap")


def _best_shift(first: np.ndarray, second: np.ndarray, edge: int) -> np.ndarray:
    """The shift of each row of ``second`` against ``first``, film pixels, to a fraction of a sample."""
    if not len(first):
        return np.empty(0)
    size = first.shape[1] - 2 * edge
    base = first[:, edge : edge + size]
    scores = np.stack([_correlation(base, second[:, k : k + size]) for k in range(2 * edge + 1)], 1)
    best = scores.argmax(1)
    row, inner = np.arange(len(best)), np.clip(best, 1, 2 * edge - 1)
    left, middle, right = (scores[row, inner + d] for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    offset = np.where(np.abs(bend) > 1e-9, (left - right) / (2 * np.where(bend == 0, 1, bend)), 0)
    shift = (inner + np.clip(offset, -1, 1) - edge) * FINE
    return np.where(scores[row, best] < ALIKE, FARTHEST, shift)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Normalised correlation of the rows of two arrays, about zero."""
    return (a * b).sum(1) / np.maximum(np.sqrt((a * a).sum(1) * (b * b).sum(1)), 1e-6)


def summarise(shifts: Sequence[Shifts]) -> dict[str, dict[str, float]]:
    """Per bone: ``points`` with a clear edge, the share ``clear`` of them, and the displacement in film pixels.

    ``typical`` is the mean of |shift| and ``moved`` the displacement that 95 of 100 points stay below;
    ``drift`` is the mean shift outwards. Bones without a clear edge have these as NaN.
    """
    table = {}
    for label in sorted({s.label for s in shifts}):
        own = [s for s in shifts if s.label == label]
        values = np.concatenate([s.shifts for s in own])
        some = len(values) > 0
        table[label] = {
            "points": len(values),
            "clear": len(values) / sum(s.points for s in own),
            "typical": float(np.abs(values).mean()) if some else float("nan"),
            "moved": float(np.quantile(np.abs(values), 0.95)) if some else float("nan"),
            "drift": float(values.mean()) if some else float("nan"),
        }
    return table
