"""Bodies drawn at random: limbs, chests, hips and skulls, for the film's head to know what no hand is.

The films at hand that show no hand are arms, shoulders and a few chests and legs; heads taught on these alone take
what they never saw, a pelvis or another hospital's chest, for a hand. What is drawn here is no likeness: it varies more
than films do, so that a film is one more variation (domain randomisation, Tobin et al. 2017). Thickness that X-rays
cross, in pixels, becomes grey by attenuation.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Rng = np.random.Generator
Shape = tuple[int, int]
Layers = tuple[np.ndarray, np.ndarray]
"""Bone and flesh, float32 (h, w): pixels of thickness, and a share of the thickest."""

MARROW = 0.75
"""How much less the inside of a bone holds back than its wall."""


def _tube(shape: Shape, path: np.ndarray | Sequence[np.ndarray], radii: Sequence[float], hollow: float) -> np.ndarray:
    """Thickness of a bone along a path of (x, y); ``radii`` evenly spaced along it, ``hollow`` its marrow's share."""
    path = np.asarray(path, float)
    n = int(4 * np.abs(np.diff(path, axis=0)).sum() / 3) + 2
    along, at = np.linspace(0, len(path) - 1, n), np.arange(len(path))
    points = np.round(np.stack([np.interp(along, at, path[:, k]) for k in (0, 1)], 1)).astype(int)
    widths = np.interp(np.linspace(0, len(radii) - 1, n), np.arange(len(radii)), radii)
    inside = ((points >= 0) & (points < shape[::-1])).all(1)
    if not inside.any():
        return np.zeros(shape, np.float32)
    (x, y), widths = points[inside].T, widths[inside]
    axis = np.ones(shape, np.uint8)
    axis[y, x] = 0
    off, nearest = cv2.distanceTransformWithLabels(axis, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    radius = np.zeros(int(nearest.max()) + 1, np.float32)
    radius[nearest[y, x]] = widths
    r = radius[nearest]
    return _chord(r, off) - MARROW * _chord(hollow * r, off)


def _chord(radius: np.ndarray | float, off: np.ndarray) -> np.ndarray:
    """Half of the way through a circle ``off`` its middle."""
    return np.sqrt(np.clip(radius * radius - off * off, 0, None))


def _solid(shape: Shape, centre: np.ndarray, axes: tuple[float, float], angle: float, hollow: float = 0) -> np.ndarray:
    """Thickness of an ellipsoid as deep as it is narrow; ``hollow``: the share that a hole of its form takes."""
    rows, columns = np.indices(shape, np.float32)
    x, y, c, s = columns - centre[0], rows - centre[1], np.cos(angle), np.sin(angle)
    off = np.hypot((x * c + y * s) / axes[0], (y * c - x * s) / axes[1])
    return (_chord(1.0, off) - _chord(hollow, off)) * min(axes)


def _slab(shape: Shape, corners: Sequence[np.ndarray], thick: float, blur: float) -> np.ndarray:
    """Thickness of a flat bone with soft edges."""
    flat = np.zeros(shape, np.float32)
    cv2.fillPoly(flat, [np.round(np.array(corners)).astype(np.int32)], thick)
    return cv2.GaussianBlur(flat, (0, 0), max(blur, 0.6))


def _full(thickness: np.ndarray) -> np.ndarray:
    """As a share of the thickest."""
    return thickness / max(float(thickness.max()), 1e-6)


def _bowed(rng: Rng, start: np.ndarray, end: np.ndarray, n: int, spread: float) -> np.ndarray:
    """A path from one point to another, not quite straight."""
    off = rng.normal(0, spread, (n, 2))
    off[[0, -1]] *= 0.3
    return start + np.linspace(0, 1, n)[:, None] * (end - start) + off


def _clouds(shape: Shape, rng: Rng, fine: float) -> np.ndarray:
    """Noise of many sizes, its standard deviation 1; fine detail weighs more the smaller ``fine`` is."""
    out, n = np.zeros(shape, np.float32), 2
    while n < max(shape) / 3:
        layer = rng.normal(0, 1, (n + 1, n + 1)).astype(np.float32)
        out += cv2.resize(layer, shape[::-1], interpolation=cv2.INTER_CUBIC) * n**-fine
        n *= 2
    return out / out.std()


def _lie(shape: Shape, rng: Rng) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """How a body lies: angle, the ways down and across it, its middle."""
    angle = rng.choice([0, 0.5, 1, 1.5]) * np.pi + rng.normal(0, 0.15) if rng.random() < 0.7 else rng.uniform(0, 6.28)
    down = np.array([np.cos(angle), np.sin(angle)])
    return float(angle), down, np.array([-down[1], down[0]]), np.array(shape[::-1]) * rng.uniform(0.3, 0.7, 2)


def _spine(shape: Shape, rng: Rng, start: np.ndarray, end: np.ndarray, size: float) -> np.ndarray:
    """Vertebrae of half a ``size`` high and twice as wide, with their spines."""
    length = float(np.hypot(*(end - start)))
    n, angle = max(3, int(length / (size * rng.uniform(1.2, 1.8)))), np.degrees(np.arctan2(*(end - start)[::-1]))
    out = np.zeros(shape, np.float32)
    for centre in _bowed(rng, start, end, n, size * 0.1):
        box = cv2.boxPoints(((float(centre[0]), float(centre[1])), (size * 1.1, size * 2), float(angle)))
        out += _slab(shape, box, size * 0.6, size * 0.08) + _solid(shape, centre, (size * 0.3, size * 0.3), 0)
    return out


def _joint(shape: Shape, rng: Rng, size: float) -> np.ndarray:
    """Long bones that meet, one or two on either side, and small ones between."""
    angle, centre = rng.uniform(0, np.pi), np.array(shape[::-1]) * rng.uniform(0.35, 0.65, 2)
    out, thick = np.zeros(shape, np.float32), size * rng.uniform(0.03, 0.09)
    for side in (1, -1) if rng.random() < 0.7 else (1,):
        turned = angle + rng.normal(0, 0.1 if side > 0 else 0.5)
        way = np.array([np.cos(turned), np.sin(turned)]) * side
        for k in range(int(rng.choice([1, 1, 2]))):
            beside = np.array([-way[1], way[0]]) * thick * rng.uniform(1.6, 2.6) * (1 if k else rng.choice([0, -1]))
            start = centre + beside + way * thick * rng.uniform(0.2, 1.5)
            end = start + way * size * rng.uniform(0.5, 1.3)
            r, flare = thick * rng.uniform(0.5, 1), rng.uniform(1.2, 2.1)
            radii = [r * flare, r * 1.15, r, r, r * 1.1, r * flare]
            out += _tube(shape, _bowed(rng, start, end, 6, r * 0.15), radii, rng.uniform(0.5, 0.85))
    for _ in range(int(rng.integers(0, 3))):
        axes = tuple(thick * rng.uniform(0.6, 1.6, 2))
        out += _solid(shape, centre + rng.normal(0, thick, 2), axes, rng.uniform(0, np.pi)) * 0.7
    return out


def limbs(shape: Shape, rng: Rng, size: float) -> Layers:
    """An elbow, a knee, a shaft, two legs."""
    bone = _joint(shape, rng, size)
    if rng.random() < 0.3:
        bone += _joint(shape, rng, size)
    reach = max(3.0, size * rng.uniform(0.04, 0.16))
    off = cv2.distanceTransform((bone <= 0).astype(np.uint8), cv2.DIST_L2, 5)
    return bone, cv2.GaussianBlur(_chord(reach, np.minimum(off, reach)), (0, 0), reach / 4) / reach


def chest(shape: Shape, rng: Rng, size: float) -> Layers:
    """Spine, ribs, collar bones, shoulders; lungs and a heart in the flesh."""
    angle, down, across, centre = _lie(shape, rng)
    half, tall = size * rng.uniform(0.3, 0.5), size * rng.uniform(0.5, 0.8)
    top, bottom = centre - down * tall, centre + down * tall
    bone = _spine(shape, rng, top, bottom, size * rng.uniform(0.03, 0.06)) * rng.uniform(0.5, 1.2)
    flesh = _full(_solid(shape, centre + down * tall * 0.3, (tall * 2.2, half * rng.uniform(1.1, 1.5)), angle))
    lungs, arms = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    rib, ribs, fall = size * rng.uniform(0.008, 0.02), int(rng.integers(6, 12)), rng.uniform(0.15, 0.5) * half
    t = np.linspace(0, 1, 9)[:, None]
    for side in (1, -1):
        axes = tall * rng.uniform(0.55, 0.8), half * rng.uniform(0.35, 0.5)
        lung = _solid(shape, centre + across * side * half / 2 - down * tall * 0.1, axes, angle + rng.normal(0, 0.08))
        lungs = np.maximum(lungs, np.clip(1.3 * _full(lung), 0, 1))
        for k in range(ribs):
            wide = half * (0.7 + 0.35 * np.sin(np.pi * (k + 1) / (ribs + 1)))
            start = top + (bottom - top) * (0.1 + 0.7 * k / ribs)
            back = start + across * side * wide * np.sin(t * np.pi / 2) + down * fall * t**1.6
            bone += _tube(shape, back, [rib] * 3, 0.65) * 0.8
            if rng.random() < 0.6:
                front = back[-1] + t * (down * fall - across * side * wide) * 0.6
                bone += _tube(shape, front, [rib] * 2, 0.65) * 0.4
        shoulder = centre + across * side * half * 1.15 - down * tall * 0.7
        collar = _bowed(rng, centre - down * tall * 0.72, shoulder, 5, size * 0.02)
        bone += _tube(shape, collar, [size * 0.015, size * 0.02], 0.6)
        if rng.random() < 0.8:
            elbow = shoulder + down * size * rng.uniform(0.4, 0.9) + across * side * size * rng.uniform(0, 0.5)
            bone += _solid(shape, shoulder, (size * 0.06, size * 0.06), 0, 0.7)
            bone += _tube(shape, _bowed(rng, shoulder, elbow, 4, 1), [size * 0.045, size * 0.03, size * 0.035], 0.7)
        blade = [(0, 0), (-0.5, 0.05), (-0.35, 0.35)]
        corners = [shoulder + across * side * half * a + down * size * b for a, b in blade]
        bone += _slab(shape, corners, size * 0.012, size * 0.006)
        arm = _solid(shape, shoulder + down * size * 0.2, (size / 2, size * 0.16), angle + side * 0.3)
        arms = np.maximum(arms, arm)
    flesh = np.maximum(flesh, 0.5 * arms / (size * 0.16))
    flesh -= rng.uniform(0.35, 0.7) * np.minimum(lungs, flesh) * (1 + 0.12 * _clouds(shape, rng, 0.5))
    heart = centre + across * half * 0.2 * rng.choice([-1, 1]) + down * tall * 0.1
    flesh += rng.uniform(0.2, 0.5) * _solid(shape, heart, (half * 0.5, half * 0.35), angle + 0.5) / (half * 0.35)
    return bone, np.clip(flesh, 0, None)


def hips(shape: Shape, rng: Rng, size: float) -> Layers:
    """Spine, pelvis, thighs."""
    angle, down, across, centre = _lie(shape, rng)
    bone = _spine(shape, rng, centre - down * size * 0.9, centre - down * size * 0.12, size * rng.uniform(0.04, 0.07))
    flesh = _full(_solid(shape, centre - down * size * 0.3, (size * 1.1, size * 0.55), angle))

    def at(side: float, low: float) -> np.ndarray:
        return centre + across * side * size + down * low * size

    bone += _slab(shape, [at(-0.13, -0.3), at(0.13, -0.3), at(0, 0.02)], size * 0.05, size * 0.01)
    for side in (1, -1):
        t = np.linspace(0, 2 * np.pi * rng.uniform(0.8, 1), 14)[:, None] + 0.2
        ring = at(side * 0.15, 0.14) + size * (0.11 * np.cos(t) * across * side + 0.12 * np.sin(t) * down)
        bone += _tube(shape, ring, [size * 0.025, size * 0.04, size * 0.025], 0.5)
        fan = [(0.1, -0.12), (0.16, -0.36), (0.38, -0.34), (0.42, -0.18), (0.28, 0.04)]
        corners = np.array([at(side * a, b) for a, b in fan]) + rng.normal(0, size * 0.01, (5, 2))
        rim = np.concatenate([corners, corners[:1]])
        bone += _slab(shape, corners, size * 0.035, size * 0.012) + _tube(shape, rim, [size * 0.012] * 2, 0.3)
        head, neck = at(side * 0.33, 0.08), at(side * 0.43, 0.2)
        thigh = _bowed(rng, neck - down * size * 0.05, neck + down * size - across * side * size * 0.03, 5, 2)
        bone += _solid(shape, head, (size * 0.065, size * 0.065), 0)
        bone += _tube(shape, [head, neck], [size * 0.045] * 2, 0.6)
        bone += _tube(shape, thigh, [size * 0.065, size * 0.045, size * 0.04], 0.75)
        leg = _solid(shape, neck + down * size * 0.5, (size * 0.8, size * 0.2), angle)
        flesh = np.maximum(flesh, 0.8 * leg / (size * 0.2))
    return bone, flesh


def skull(shape: Shape, rng: Rng, size: float) -> Layers:
    """A shell with something in it."""
    centre, wide = np.array(shape[::-1]) * rng.uniform(0.3, 0.7, 2), size * rng.uniform(0.3, 0.5)
    angle = rng.uniform(0, np.pi)
    bone = _solid(shape, centre, (wide, wide * rng.uniform(0.7, 1)), angle, 0.93) * 1.5
    for _ in range(int(rng.integers(2, 7))):
        axes = tuple(wide * rng.uniform(0.05, 0.25, 2))
        bone += _solid(shape, centre + rng.normal(0, wide * 0.4, 2), axes, rng.uniform(0, 3), rng.choice([0, 0.8]))
    return bone, _full(_solid(shape, centre, (wide * 1.1, wide * 1.05), angle))


PARTS = (limbs, 0.4), (chest, 0.3), (hips, 0.22), (skull, 0.08)
"""What is drawn, and how often."""


def body(size: tuple[int, int], rng: Rng) -> np.ndarray:
    """Some part of a body, near or far, as a float32 picture of ``size`` (w, h), grey values in [0, 255]."""
    shape = size[1], size[0]
    draw = PARTS[rng.choice(len(PARTS), p=[share for _, share in PARTS])][0]
    bone, flesh = draw(shape, rng, max(size) * float(np.exp(rng.uniform(-0.6, 0.9))))
    bone = np.clip(bone / max(float(np.percentile(bone, 99.5)), 1e-3), 0, 2) * (1 + 0.12 * _clouds(shape, rng, 0.1))
    flesh = flesh * (1 + 0.06 * _clouds(shape, rng, 0.5))
    gray = 255 * (1 - np.exp(-rng.uniform(0.3, 1.8) * flesh - rng.uniform(0.3, 1.3) * bone))
    gray *= rng.uniform(170, 250) / max(float(np.percentile(gray, 99.5)), 1.0)
    gray = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), rng.uniform(0.4, 1.5))
    return np.clip(gray + rng.normal(0, rng.uniform(0.5, 4), shape), 0, 255).astype(np.float32)
