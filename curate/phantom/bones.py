"""All the bones of a hand on the film: their shadow and their silhouettes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import CLASSES
from .solid import Posed, trace
from .texture import Lattice, trabeculae
from .view import View

MU_CORTEX = 0.185
MU_SPONGE = 0.064
"""Attenuation of dense shell and of spongy bone with marrow, per mm, at about 50 kV."""
MU_FLESH = 0.0255


@dataclass(frozen=True)
class Shadow:
    """What the bones do to the rays.

    Args:
        attenuation: (size, size) float64: path lengths times attenuation, bone only.
        displaced: (size, size) float64, mm: how much flesh the bones take the place of.
        silhouettes: class name -> ((row, column) of the box's corner, bool mask of the box): where the bone's
            thickness is above zero. Only bones that are on the film, and only in part if they leave it.
    """

    attenuation: np.ndarray
    displaced: np.ndarray
    silhouettes: dict[str, tuple[tuple[int, int], np.ndarray]]


def cast(posed: dict[str, Posed], view: View, rng: np.random.Generator) -> Shadow:
    """Trace every bone through its box on the film."""
    lattice = Lattice(rng)
    attenuation = np.zeros((view.size, view.size))
    displaced = np.zeros((view.size, view.size))
    silhouettes = {}
    for index, (name, bone) in enumerate(posed.items()):
        rows, columns = view.box(bone.corners())
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        gx, gy = view.grid(rows, columns)
        near = _close_to_axis(bone, gx, gy, view.mm)
        x, y = gx[near], gy[near]
        paths = trace(bone, x, y, samples=17 if abs(bone.axes[2, 1]) > 0.35 else 13)
        table = len(bone.solid.marrow)
        along = np.clip((paths.y / bone.solid.length * table).astype(int), 0, table - 1)
        # the more struts a ray crosses, the more their mesh averages out
        mesh = trabeculae(lattice, paths.x, paths.y, bone.solid.grain, 7 * index) * 1.0 / np.sqrt(2.0 + paths.inner)
        shell = paths.outer - paths.inner
        sponge = MU_SPONGE * bone.solid.marrow[along] * paths.inner * np.maximum(1.0 + mesh, 0.2)
        attenuation[rows, columns][near] += MU_CORTEX * shell * (1.0 + 0.12 * mesh) + sponge
        if name in CLASSES or name.startswith("sesamoid"):
            displaced[rows, columns][near] += paths.outer
        mask = np.zeros(near.shape, dtype=bool)
        mask[near] = paths.outer > 0.0
        if mask.any():
            silhouettes[name] = ((rows.start, columns.start), mask)
    return Shadow(attenuation, displaced, silhouettes)


def _close_to_axis(bone: Posed, x: np.ndarray, y: np.ndarray, mm: float) -> np.ndarray:
    """Pixels whose ray can meet the bone: within its greatest half width of the projected axis."""
    s = bone.solid
    a, b = bone.origin[:2], bone.head[:2]
    along = b - a
    length = float(along @ along) + 1e-9
    t = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1]) / length, 0.0, 1.0)
    reach = max(float(np.max(np.abs(s.centre) + s.width)), float(np.max(s.depth))) + 2.0 * mm
    return (x - a[0] - t * along[0]) ** 2 + (y - a[1] - t * along[1]) ** 2 <= reach**2
