"""A bone as a solid, and how far a ray travels in its shell and in its marrow.

A bone is a stack of elliptic cross-sections along its long axis, with a dense shell of varying thickness round a
spongy inside. Rays run along z; the film lies in x, y. Lengths are millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NOTCH_REACH = 0.3
"""The hollow of a joint surface fades out over this fraction of the bone's length."""


@dataclass(frozen=True)
class Solid:
    """One bone in its own frame: x to the right, y along the axis from 0 to ``length``, z towards the tube.

    Args:
        name: class name, or the name of a bone that carries no label (a sesamoid).
        length: mm.
        centre, width, depth: (M,) float64, mm: centre line, half width and half depth at M even steps along the axis.
        cortex: (M,) float64, mm: thickness of the shell.
        marrow: (M,) float64: density of the spongy bone inside, 1 is that of a dense joint end.
        notch: mm by which the joint surface at the base and at the head is hollowed in the middle.
        caps: mm of shell that close the base and the head.
        grain: (across, along), mm: mesh size of the trabeculae.
    """

    name: str
    length: float
    centre: np.ndarray
    width: np.ndarray
    depth: np.ndarray
    cortex: np.ndarray
    marrow: np.ndarray
    notch: tuple[float, float] = (0.0, 0.0)
    caps: tuple[float, float] = (0.5, 0.5)
    grain: tuple[float, float] = (0.9, 2.5)


@dataclass(frozen=True)
class Posed:
    """A solid laid into the hand's frame.

    Args:
        solid: the bone.
        origin: (3,) where its base (x = y = z = 0) lies, mm.
        axes: (3, 3), columns: its x, y and z directions in the hand's frame.
    """

    solid: Solid
    origin: np.ndarray
    axes: np.ndarray

    @property
    def head(self) -> np.ndarray:
        """(3,) the far end of the axis, mm."""
        return self.origin + self.axes[:, 1] * self.solid.length

    def at(self, x: float, along: float, z: float = 0.0) -> np.ndarray:
        """(3,) the point ``x`` mm beside the axis, at the fraction ``along`` of it, ``z`` mm above it."""
        return self.origin + self.axes @ np.array([x, along * self.solid.length, z])

    def corners(self) -> np.ndarray:
        """(8, 2) corners of the box round the bone, projected, mm."""
        s = self.solid
        reach_x = float(np.max(np.abs(s.centre) + s.width))
        reach_z = float(np.max(s.depth))
        grid = [(x, y, z) for x in (-reach_x, reach_x) for y in (0.0, s.length) for z in (-reach_z, reach_z)]
        return (self.origin[None] + np.array(grid) @ self.axes.T)[:, :2]


@dataclass(frozen=True)
class Paths:
    """What the rays met: all arrays (n,) float64.

    ``outer`` and ``inner`` are mm inside the bone and inside its marrow; ``x`` and ``y`` the ray's place in the bone's
    frame, mm, where it is nearest to the axis.
    """

    outer: np.ndarray
    inner: np.ndarray
    x: np.ndarray
    y: np.ndarray


def axes_from(angle: float, tilt: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """(3, 3) axes of a bone ``angle`` degrees clockwise from y, tilted out of the film, rolled about its own axis."""
    a, t, r = np.radians([angle, tilt, roll])
    axial = np.array([np.sin(a) * np.cos(t), np.cos(a) * np.cos(t), np.sin(t)])
    lateral = np.array([np.cos(a), -np.sin(a), 0.0])
    normal = np.cross(lateral, axial)
    return np.stack([np.cos(r) * lateral + np.sin(r) * normal, axial, np.cos(r) * normal - np.sin(r) * lateral], axis=1)


def trace(posed: Posed, x: np.ndarray, y: np.ndarray, samples: int = 13) -> Paths:
    """Follow rays along z through one bone.

    The inside function is sampled along each ray and taken as linear between samples, so the lengths are exact to
    second order in the step and go to zero continuously at the silhouette.

    Args:
        posed: the bone.
        x, y: (n,) float64, mm: where the rays pierce the film, in the hand's frame.
        samples: points along a ray, odd.
    """
    s = posed.solid
    inverse = posed.axes.T
    start = inverse[:, :2] @ np.stack([x - posed.origin[0], y - posed.origin[1]])
    slope = inverse[:, 2]
    middle, half = _reach(s, posed, start, slope)
    steps = np.linspace(-1.0, 1.0, samples) * half
    along = middle[:, None] + steps[None]
    lx, ly, lz = (start[i][:, None] + slope[i] * along for i in range(3))
    table = len(s.width)
    ly = _unhollow(s, lx, ly, table)
    at = np.clip((ly * (table / s.length)).astype(np.int64), 0, table - 1)
    lx = lx - s.centre[at]
    lx *= lx
    lz *= lz
    width_in = np.maximum(s.width - s.cortex, 1e-3)
    depth_in = np.maximum(s.depth - s.cortex, 1e-3)
    lengths = []
    for width, depth, base, head in ((s.width, s.depth, 0.0, 0.0), (width_in, depth_in, *s.caps)):
        inside = 1.0 - lx * (1.0 / width**2)[at] - lz * (1.0 / depth**2)[at]
        np.minimum(inside, (ly - base) * 0.3, out=inside)
        np.minimum(inside, (s.length - head - ly) * 0.3, out=inside)
        lengths.append(_positive_length(inside, 2.0 * half / (samples - 1)))
    return Paths(lengths[0], lengths[1], start[0] + slope[0] * middle, start[1] + slope[1] * middle)


def _reach(s: Solid, posed: Posed, start: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle (n,) and half length of the piece of each ray that can lie inside the bone."""
    deepest = float(np.max(s.depth))
    if abs(slope[2]) > 0.35:
        side = float(np.max(np.abs(s.centre) + s.width))
        return -start[2] / slope[2], min((deepest + 0.1) / abs(slope[2]), deepest + side + s.length)
    centre = posed.axes[2, 1] * s.length / 2.0
    half = abs(posed.axes[2, 1]) * s.length / 2.0 + deepest + float(np.max(s.width))
    return np.full(start.shape[1], centre), half


def _unhollow(s: Solid, lx: np.ndarray, ly: np.ndarray, table: int) -> np.ndarray:
    """y as it would be if the joint surfaces were not hollowed in the middle."""
    if s.notch == (0.0, 0.0):
        return ly
    at = np.clip((ly * (table / s.length)).astype(np.int64), 0, table - 1)
    bulge = np.maximum(1.0 - ((lx - s.centre[at]) / s.width[at]) ** 2, 0.0)
    reach = _NOTCH_REACH * s.length
    base = np.clip(1.0 - ly / reach, 0.0, 1.0) ** 2
    head = np.clip(1.0 - (s.length - ly) / reach, 0.0, 1.0) ** 2
    return ly - bulge * (s.notch[0] * base - s.notch[1] * head)


def _positive_length(f: np.ndarray, step: float) -> np.ndarray:
    """(n,) length over which the piecewise linear f (n, samples) is positive, mm."""
    inside = np.maximum(f, 0.0)
    size = np.abs(f) + 1e-12
    return step * ((inside[:, 1:] + inside[:, :-1]) / (size[:, 1:] + size[:, :-1])).sum(axis=1)
