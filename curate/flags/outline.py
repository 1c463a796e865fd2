"""How well outlines follow the edges that can be seen on the film: what ``label-edge`` and ``label-side`` measure."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from shapely.geometry import Polygon

from curate.flags.grid import unpadded
from curate.sample.annotation import Annotation

SIDE = 1024
"""Longest side at which outlines are laid on the film."""

POINTS = 64
"""Points looked at along an outline."""

REACH = 9
"""Pixels at ``SIDE`` to either side of the outline in which the strongest edge is sought."""


INVERTED = -0.3
"""Mean fit under which a film is taken for inverted; outlines laid at random reach -0.2 at the most."""


def smoothed(gray: np.ndarray) -> tuple[np.ndarray, float]:
    """Film at most ``SIDE`` long, log grey values smoothed, float32, NaN in what it was padded with; and its scale."""
    scale = min(1.0, SIDE / max(gray.shape))
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    film = cv2.GaussianBlur(np.log1p(small.astype(np.float32)), (0, 0), 1.2)
    seen = np.full_like(film, np.nan)
    rows, columns = unpadded(small)
    seen[rows, columns] = film[rows, columns]
    return seen, scale


def _samples(polygon: Polygon) -> tuple[np.ndarray, np.ndarray]:
    """(POINTS, 2) places along the outer ring and the unit normals that point out of it."""
    ring = polygon.exterior
    at = np.linspace(0, ring.length, POINTS, endpoint=False)
    places = np.array([ring.interpolate(t).coords[0] for t in at])
    ahead = np.roll(places, -1, axis=0) - np.roll(places, 1, axis=0)
    normal = np.column_stack([ahead[:, 1], -ahead[:, 0]]) / np.maximum(np.hypot(*ahead.T), 1e-6)[:, None]
    if not ring.is_ccw:  # in pixel coordinates, y down
        normal = -normal
    return places, normal


def profiles(film: np.ndarray, scale: float, polygon: Polygon) -> np.ndarray | None:
    """(points, 2 REACH + 1) fall of log grey value outwards across the outline; ``None`` for a speck.

    Points whose reach leaves the film, or goes into its padding, are left out.
    """
    if polygon.exterior.length * scale < POINTS / 2:
        return None
    places, normal = _samples(polygon)
    places = (places + 0.5) * scale - 0.5
    offsets = np.arange(-REACH - 1, REACH + 2)
    grid = places[:, None, :] + offsets[None, :, None] * normal[:, None, :]
    height, width = film.shape
    inside = ((grid >= 0) & (grid <= (width - 1, height - 1))).all((1, 2))
    if inside.sum() < POINTS // 4:
        return None
    grid = grid[inside].astype(np.float32)
    values = cv2.remap(film, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR)
    values = values[np.isfinite(values).all(1)]
    if len(values) < POINTS // 4:
        return None
    return (values[:, :-2] - values[:, 2:]) / 2


def fit(profile: np.ndarray) -> float:
    """Share of the outline that lies on a fall from bright to dark, in [-1, 1]: the fall at the outline over the
    largest near it."""
    at = profile[:, REACH - 1 : REACH + 2].max(axis=1)
    largest = np.maximum(np.abs(profile).max(axis=1), 0.02)
    return float(np.mean(at / largest))


def fits(gray: np.ndarray, annotations: Sequence[Annotation]) -> dict[str, float]:
    """Class -> ``fit`` of its largest part; classes too small to say are left out.

    On a film on which most outlines lie on rises from dark to bright, the grey scale is upside down: rises count there.
    """
    film, scale = smoothed(gray)
    found = {}
    for a in annotations:
        profile = profiles(film, scale, max(a.parts, key=lambda p: p.area))
        if profile is not None:
            found[a.label] = profile
    as_is = {label: fit(p) for label, p in found.items()}
    if np.mean(list(as_is.values()) or [0.0]) < INVERTED:
        as_is = {label: fit(-p) for label, p in found.items()}
    return {label: round(value, 4) for label, value in as_is.items()}
