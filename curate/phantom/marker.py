"""What a radiographer puts into the beam besides the hand: the lead side letter and the collimator's leaves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .view import View

_ARC = [(0.34 + 0.26 * np.sin(a), 0.75 + 0.25 * np.cos(a)) for a in np.linspace(0.0, np.pi, 9)]
_LETTERS = {
    "L": ([(0.0, 1.0), (0.0, 0.0), (0.58, 0.0)],),
    "R": ([(0.0, 0.0), (0.0, 1.0), *_ARC, (0.0, 0.5)], [(0.26, 0.5), (0.60, 0.0)]),
}
_LEAD = 3.2
"""Optical depth of the letter; of a collimator leaf."""
_LEAF = 3.6


@dataclass(frozen=True)
class Marker:
    """A side letter: ``letter`` "L" or "R", its ``box`` (x0, y0, x1, y1) in px."""

    letter: str
    box: tuple[float, float, float, float]


def add_marker(depth: np.ndarray, flesh: np.ndarray, view: View, left: bool, rng: np.random.Generator) -> Marker | None:
    """Lay a lead letter on a free place near the film's edge; none where the hand leaves no room.

    Args:
        depth: (size, size) float64 optical depth, added to in place.
        flesh: (size, size) float64 mm of hand: where it is zero the place is free.
    """
    size = view.size
    height = rng.uniform(8.5, 13.0) / view.mm
    reach = round(0.85 * height) + 2
    turn = np.radians(np.clip(7.0 * rng.standard_normal(), -25.0, 25.0))
    bar, plastic = rng.random() < 0.35, rng.random() < 0.5
    border = np.linspace(reach + 0.02 * size, size - 1 - reach - 0.02 * size, 7)
    places = [(x, y) for y in border for x in border if min(x, y) == border[0] or x == border[-1]]
    for pick in rng.permutation(len(places)):
        cx, cy = (int(v) for v in places[pick])
        rows, columns = slice(cy - reach, cy + reach + 1), slice(cx - reach, cx + reach + 1)
        if not flesh[rows, columns].any() and depth[rows, columns].max() < 0.1:
            break
    else:
        return None
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    u = (np.cos(turn) * x + np.sin(turn) * y) / height + 0.3
    v = (np.sin(turn) * x - np.cos(turn) * y) / height + 0.5
    strokes = list(_LETTERS["L" if left else "R"])
    if bar:
        strokes.append([(-0.12, -0.28), (0.72, -0.28)])
    edge = (0.085 - _distance(strokes, u, v)) * height
    lead = np.clip(edge + 0.5, 0.0, 1.0)
    depth[rows, columns] += _LEAD * lead
    if plastic:
        holder = np.minimum(0.5 - np.abs(u - 0.3), 0.72 - np.abs(v - 0.44)) * height
        depth[rows, columns] += 0.035 * np.clip(holder + 0.5, 0.0, 1.0)
    ys, xs = np.nonzero(lead)
    box = (xs.min() + columns.start, ys.min() + rows.start, xs.max() + columns.start, ys.max() + rows.start)
    return Marker("L" if left else "R", tuple(float(b) for b in box))


def _distance(strokes: list[list[tuple[float, float]]], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Distance to the nearest stroke, in letter heights."""
    nearest = np.full(u.shape, np.inf)
    for stroke in strokes:
        for (ax, ay), (bx, by) in pairwise(stroke):
            dx, dy = bx - ax, by - ay
            t = np.clip(((u - ax) * dx + (v - ay) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
            nearest = np.minimum(nearest, np.hypot(u - ax - t * dx, v - ay - t * dy))
    return nearest


def add_collimator(depth: np.ndarray, flesh: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Shade one or two edges of some films by the collimator, where that does not hide the hand; says which."""
    size = depth.shape[0]
    if rng.random() > 0.35:
        return []
    hidden = []
    sides = ("top", "left", "right", "bottom")
    for side in rng.permutation(len(sides))[: 1 + int(rng.random() < 0.3)]:
        turned = np.rot90(flesh, int(side)) if side else flesh
        clear = int(np.argmax(turned.any(axis=1))) if turned.any() else size
        width = min(rng.uniform(0.012, 0.06) * size, clear - 0.012 * size)
        lean = np.radians(rng.uniform(-0.8, 0.8))
        if width < 0.008 * size:
            continue
        at = np.arange(size, dtype=np.float64)
        inside = width - at[:, None] + np.tan(lean) * (at[None, :] - size / 2.0)
        leaf = _LEAF / (1.0 + np.exp(-np.clip(inside / (0.0016 * size), -40.0, 40.0)))
        depth += np.rot90(leaf, -int(side)) if side else leaf
        hidden.append(sides[side])
    return hidden
