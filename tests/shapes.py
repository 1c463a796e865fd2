"""Random and awkward polygons for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box


def star(rng: np.random.Generator, points: int, centre: tuple[float, float], radius: float) -> Polygon:
    """A random simple polygon, usually concave, about a centre."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, points))
    angles += np.arange(points) * 1e-6
    reach = radius * rng.uniform(0.15, 1.0, points)
    ring = np.stack([centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)], 1)
    return Polygon(ring)


@st.composite
def polygons(draw, size: int = 64, integer: bool = False) -> Polygon:
    """A valid concave polygon, usually inside and sometimes across the border of a picture of ``size`` pixels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = star(rng, draw(st.integers(3, 24)), tuple(rng.uniform(0, size, 2)), draw(st.floats(1.5, size / 2)))
    if integer:
        shape = Polygon(np.rint(np.array(shape.exterior.coords)))
    if not shape.is_valid or shape.area < 1e-3:
        shape = box(3, 4, 9, 17)
    return shape


HOLED = Polygon([(5, 5), (40, 6), (38, 44), (6, 41)], [[(15, 15), (15, 25), (25, 25), (25, 15)]])

ZOO = {
    "square": box(4, 4, 20, 20),
    "hole": HOLED,
    "multipart": MultiPolygon([box(2, 2, 10, 10), box(30, 30, 44, 40)]),
    "multipart with hole": MultiPolygon([HOLED, box(50, 50, 60, 60)]),
    "needle": Polygon([(3, 10), (60, 10.2), (3, 10.4)]),
    "touching the border": box(-0.5, 10, 30, 63.5),
    "whole frame": box(-0.5, -0.5, 63.5, 63.5),
    "concave": Polygon([(5, 5), (50, 5), (50, 50), (45, 50), (45, 10), (10, 10), (10, 50), (5, 50)]),
    "touching itself": Polygon(
        [(10, 10), (30, 10), (30, 30), (10, 30)], [[(10, 20), (15, 15), (20, 20), (15, 25)]]
    ),
    "tiny": box(31.2, 31.2, 31.6, 31.6),
}
"""Valid geometries inside a 64 x 64 picture that break careless code."""
