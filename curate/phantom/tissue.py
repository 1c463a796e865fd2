"""Flesh: how far the rays travel inside the hand's outline.

The hand's surface is a smooth union of rounded limbs laid along the bones. It is worked out on a coarse grid as the
square of the half thickness, which is nearly linear at the skin, and so stays sharp when it is enlarged.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from .anatomy import RAYS
from .patient import Patient
from .pose import Pose
from .solid import Posed
from .view import View

_COARSE = 192
_BLEND_MM2 = 11.0
"""Width of the fillet where two limbs meet, in units of the squared half thickness."""

_KNEAD_MM = 3.2

FINGER_SIZE = (1.16, 0.98, 1.02, 0.96, 0.85)
"""Thickness of thumb to little finger, the index about 1."""

Limb = tuple[np.ndarray, np.ndarray, float, float]


def flesh_paths(posed: dict[str, Posed], pose: Pose, patient: Patient, view: View) -> np.ndarray:
    """(size, size) float64: mm of hand, flesh and bone together, along each ray."""
    step = view.size / _COARSE
    centres = (np.arange(_COARSE) + 0.5) * step - 0.5
    px = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    hand = view.to_hand(px)
    enlarge = _enlarger(view.size)
    total = np.zeros((view.size, view.size))
    for layer, (limbs, flat) in enumerate(_layers(posed, pose, patient)):
        fields = _fields(limbs, hand)
        if not layer:
            palm = _union(_fields(_palm(posed, patient.scale * patient.flesh), hand)).reshape(_COARSE, _COARSE)
            fields = np.vstack([fields, _kneaded(palm, step * view.mm).reshape(1, -1)])
        square = _union(fields).reshape(_COARSE, _COARSE)
        total += 2.0 * flat * np.sqrt(np.maximum(enlarge @ square @ enlarge.T, 0.0))
    return total


def _layers(posed: dict[str, Posed], pose: Pose, patient: Patient) -> list[tuple[list[Limb], float]]:
    """Groups of limbs whose thicknesses add up: the hand, and each bent finger that lies over it."""
    scale = patient.scale * patient.flesh
    layers = [(_forearm(posed, scale), 0.93)]
    for ray in range(5):
        limbs = _finger(posed, ray, scale)
        if ray in pose.bent:
            layers[0][0].extend(limbs[-2:])
            layers.append((limbs[:-2], 0.9))
        else:
            layers[0][0].extend(limbs)
    return layers


def _finger(posed: dict[str, Posed], ray: int, scale: float) -> list[Limb]:
    """From the tip to the root."""
    bones = RAYS[ray]
    size = FINGER_SIZE[ray] * scale
    radii = (8.4, 9.3, 11.2) if ray == 0 else (7.6, 8.5, 9.7, 11.0)
    tip = posed[f"finger-{bones[-1]}"]
    limbs = []
    for place, number in enumerate(reversed(bones[1:])):
        bone = posed[f"finger-{number}"]
        end = bone.head if place else tip.head - tip.axes[:, 1] * (4.6 * size)
        end_radius = radii[place] * size * (1.0 if place else 0.97)
        start_radius = radii[place + 1] * size
        waist = bone.at(0.0, 0.5)
        thin = 0.97 * (end_radius + start_radius) / 2.0
        limbs += [(end, waist, end_radius, thin), (waist, bone.origin, thin, start_radius)]
    return limbs


def _palm(posed: dict[str, Posed], scale: float) -> list[Limb]:
    limbs = []
    for ray in range(1, 5):
        metacarpal, proximal = (posed[f"finger-{RAYS[ray][k]}"] for k in (0, 1))
        wrist = metacarpal.at(0.0, -0.35)
        limbs.append((wrist, metacarpal.head, 14.6 * scale, 13.0 * scale))
        limbs.append((metacarpal.head, proximal.at(0.0, 0.34), 13.0 * scale, 10.6 * scale))
    thumb, index, little = posed["finger-3"], posed["finger-7"], posed["finger-19"]
    limbs.append((thumb.at(1.5, -0.25), thumb.at(2.0, 0.95), 15.5 * scale, 12.4 * scale))
    limbs.append((thumb.at(5.0, 0.35), index.at(-1.0, 0.42), 13.5 * scale, 13.0 * scale))
    limbs.append((thumb.at(3.0, 0.72), index.at(-2.0, 0.60), 9.5 * scale, 11.0 * scale))
    limbs.append((thumb.at(4.0, 0.92), index.at(-3.0, 0.78), 6.5 * scale, 8.5 * scale))
    limbs.append((little.at(4.5, -0.15), little.at(3.0, 0.75), 13.0 * scale, 12.0 * scale))
    return limbs


def _forearm(posed: dict[str, Posed], scale: float) -> list[Limb]:
    radius, ulna = posed["Radius"], posed["Ulna"]
    limbs = []
    for bone, side, thick in ((radius, 0.5, 15.8), (ulna, -3.5, 14.2)):
        middle = float(bone.solid.centre[-1]) + side
        for top, bottom, grow in ((1.04, 0.84, 1.07), (0.84, 0.6, 1.3), (0.6, 0.0, 1.45)):
            limbs.append((bone.at(middle, top), bone.at(middle, bottom), thick * scale, thick * grow * scale))
            thick *= grow
    hand = posed["Capitate"]
    limbs.append((hand.at(-9.0, 0.7), radius.at(0.0, 0.985), 15.0 * scale, 15.5 * scale))
    limbs.append((hand.at(10.0, 0.7), ulna.at(float(ulna.solid.centre[-1]) - 3.0, 0.985), 14.0 * scale, 14.0 * scale))
    return limbs


def _kneaded(square: np.ndarray, mm: float) -> np.ndarray:
    """The palm's muscles run into each other: smoothed over some millimetres, its outline kept where it was."""
    sigma = _KNEAD_MM / mm
    return gaussian_filter(square, sigma, mode="nearest", truncate=3.0) + 1.5 * _KNEAD_MM**2


def _fields(limbs: list[Limb], points: np.ndarray) -> np.ndarray:
    """(limbs, n) squared half thickness of each limb at points (n, 2); negative outside."""
    x, y = np.ascontiguousarray(points.T)
    values = np.empty((len(limbs), len(points)))
    for row, (a, b, ra, rb) in zip(values, limbs, strict=True):
        a, b = a[:2], b[:2]
        along = b - a
        length = float(along @ along) + 1e-9
        dx, dy = x - a[0], y - a[1]
        t = np.clip((dx * along[0] + dy * along[1]) / length, 0.0, 1.0)
        dx -= t * along[0]
        dy -= t * along[1]
        radius = ra + t * (rb - ra)
        row[:] = radius * radius - dx * dx - dy * dy
    return values


def _union(values: np.ndarray) -> np.ndarray:
    """(n,) the smooth maximum over the limbs."""
    top = values.max(axis=0)
    return top + _BLEND_MM2 * np.log(np.exp((values - top) / _BLEND_MM2).sum(axis=0))


def _enlarger(size: int) -> np.ndarray:
    """(size, coarse) weights of cubic convolution (Keys, a = -1/2) from the coarse grid to pixels."""
    at = (np.arange(size) + 0.5) * (_COARSE / size) - 0.5
    first = np.floor(at).astype(int) - 1
    weights = np.zeros((size, _COARSE))
    rows = np.arange(size)
    for k in range(4):
        d = np.abs(at - (first + k))
        near = (1.5 * d - 2.5) * d * d + 1.0
        far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
        np.add.at(weights, (rows, np.clip(first + k, 0, _COARSE - 1)), np.where(d <= 1.0, near, far))
    return weights
