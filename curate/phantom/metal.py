"""Things of metal and gel on and in the hand, as optical depth added to the rays.

Each maker takes the rays' places (x, y in mm of the hand's frame, of any one shape) and returns float64 depth of that
shape: path length through the thing times its attenuation.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .solid import Posed

MU_GOLD = 6.0
MU_STEEL = 1.3
MU_TITANIUM = 0.75
"""Attenuation per mm at about 60 kV."""


def hoop(
    x: np.ndarray,
    y: np.ndarray,
    bone: Posed,
    centre: np.ndarray,
    radius: float,
    wall: float,
    width: float,
    tilt: float,
    mu: float,
) -> np.ndarray:
    """A ring or bangle round a limb: its front and its back wall, set apart along the limb by the tilt.

    Args:
        bone: gives the limb's direction on the film.
        centre: (2,) mm. radius: inner radius, mm. wall, width: mm. tilt: degrees. mu: per mm.
    """
    across, along = _beside(x, y, bone, centre)
    outer = radius + wall
    far = np.sqrt(np.maximum(outer**2 - across**2, 0.0))
    near = np.sqrt(np.maximum(radius**2 - across**2, 0.0))
    middle = (far + near) / 2.0 * np.sin(np.radians(tilt))
    depth = np.zeros(x.shape)
    for sign in (-1.0, 1.0):
        # rounded edges: the wall thins out towards the rims
        rim = np.clip(1.0 - ((along - sign * middle) / (width / 2.0)) ** 2, 0.0, 1.0)
        depth += (far - near) * np.sqrt(rim)
    return np.minimum(depth * mu, 14.0)


def plate(x: np.ndarray, y: np.ndarray, bone: Posed, start: float, stop: float, side: float, rng: np.random.Generator):
    """A titanium plate along a bone, held by screws seen end on or nearly so; depth, and how many screws.

    Args:
        start, stop: where along the bone it lies, fractions. side: mm beside the axis.
    """
    length = (stop - start) * bone.solid.length
    half = rng.uniform(2.3, 3.0)
    across, along = _beside(x, y, bone, bone.at(side, start)[:2])
    count = max(4, round(length / 6.5))
    holes = (np.arange(count) + 0.5) / count * length
    nearest = np.min(np.abs(along[..., None] - holes), axis=-1)
    waist = half * (0.80 + 0.20 * np.cos(np.clip(nearest / (0.5 * length / count), 0.0, 1.0) * np.pi))
    end = np.minimum(along, length - along)
    body = np.clip(np.minimum(waist - np.abs(across), end) / 0.15, 0.0, 1.0)
    corner = np.hypot(np.maximum(np.abs(across) - half * 0.3, 0.0), np.maximum(half * 0.7 - end, 0.0)) < half * 0.95
    depth = MU_TITANIUM * 1.25 * body * corner
    screws = 0
    for index, hole in enumerate(holes):
        away = np.hypot(across, along - hole)
        if count > 4 and index == count // 2 and rng.random() < 0.6:
            depth = depth * (away > 1.0)
            continue
        screws += 1
        depth = depth + MU_TITANIUM * 1.6 * np.clip((1.75 - away) / 0.15, 0.0, 1.0)
        lean = rng.uniform(-0.35, 0.35, 2)
        shank = rng.uniform(8.0, 12.0)
        for z in np.linspace(0.0, shank, 12):
            turn = np.hypot(across - lean[0] * z, along - hole - lean[1] * z)
            radius = 0.95 if int(z / 0.8) % 2 else 0.75
            depth = depth + MU_TITANIUM * shank / 12.0 * np.clip((radius - turn) / 0.15, 0.0, 1.0)
    return np.minimum(depth, 12.0), screws


def wire(x: np.ndarray, y: np.ndarray, points: np.ndarray, radius: float) -> np.ndarray:
    """A steel wire along a polyline (n, 2) in mm."""
    nearest = np.full(x.shape, np.inf)
    for a, b in pairwise(points):
        along = b - a
        t = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1]) / float(along @ along), 0.0, 1.0)
        nearest = np.minimum(nearest, np.hypot(x - a[0] - t * along[0], y - a[1] - t * along[1]))
    return MU_STEEL * 2.0 * np.sqrt(np.maximum(radius**2 - nearest**2, 0.0))


def nail(x: np.ndarray, y: np.ndarray, tip: Posed, half: float, length: float, depth: float) -> np.ndarray:
    """A finger nail on the end bone: a thin curved plate, denser at its sides where it is seen edge on.

    Args:
        half: half width, mm. length: mm, from the nail's root. depth: optical depth of its middle.
    """
    across, along = _beside(x, y, tip, tip.at(0.0, 0.62)[:2])
    t = np.clip(across / half, -1.0, 1.0)
    front = length - 0.22 * half * t**2
    root = 0.25 * half * t**2
    inside = np.clip(np.minimum(np.minimum(along - root, front - along), half - np.abs(across)) / 0.35, 0.0, 1.0)
    return depth * inside / np.sqrt(np.maximum(1.0 - 0.8 * t**2, 0.15))


def studs(x: np.ndarray, y: np.ndarray, tip: Posed, places: np.ndarray, radius: float, depth: float) -> np.ndarray:
    """Small dense dots on a nail; ``places`` (n, 2) mm across and along from the nail's root."""
    across, along = _beside(x, y, tip, tip.at(0.0, 0.62)[:2])
    total = np.zeros(x.shape)
    for px, py in places:
        away = (across - px) ** 2 + (along - py) ** 2
        total += depth * np.sqrt(np.maximum(1.0 - away / radius**2, 0.0))
    return total


def _beside(x: np.ndarray, y: np.ndarray, bone: Posed, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates across and along the bone's direction on the film, mm from ``origin``."""
    along = bone.axes[:2, 1] / np.hypot(*bone.axes[:2, 1])
    dx, dy = x - origin[0], y - origin[1]
    return dx * along[1] - dy * along[0], dx * along[0] + dy * along[1]
