"""Random fields: trabeculae inside bone, the unevenness of flesh. Float64, from seeded integers."""

from __future__ import annotations

import numpy as np

_PERIOD = 256
_LAST = _PERIOD - 1
_MEAN_THREAD = 0.306


class Lattice:
    """Smooth noise over the plane, from one table of random numbers."""

    def __init__(self, rng: np.random.Generator):
        self._table = rng.integers(0, 65536, _PERIOD * _PERIOD).astype(np.float64) / 65535.0

    def noise(self, u: np.ndarray, v: np.ndarray, offset: int = 0) -> np.ndarray:
        """Noise in [0, 1] at points (n,) given in cells; ``offset`` picks another field."""
        shift = offset * 37.0
        u, v = u + shift, v + 1.7 * shift
        iu, iv = np.floor(u), np.floor(v)
        fu, fv = u - iu, v - iv
        fu, fv = fu * fu * (3.0 - 2.0 * fu), fv * fv * (3.0 - 2.0 * fv)
        iu, iv = iu.astype(np.int64), iv.astype(np.int64)
        row, below = (iv & _LAST) * _PERIOD, ((iv + 1) & _LAST) * _PERIOD
        col, right = iu & _LAST, (iu + 1) & _LAST
        t = self._table
        top = t[row + col] + fu * (t[row + right] - t[row + col])
        bottom = t[below + col] + fu * (t[below + right] - t[below + col])
        return top + fv * (bottom - top)

    def threads(self, u: np.ndarray, v: np.ndarray, offset: int = 0) -> np.ndarray:
        """Thin bright lines in [0, 1]: where the noise crosses its middle."""
        near = 1.0 - np.abs(2.0 * self.noise(u, v, offset) - 1.0)
        near *= near
        return near * near


def trabeculae(lattice: Lattice, x: np.ndarray, y: np.ndarray, grain: tuple[float, float], offset: int) -> np.ndarray:
    """How dense the projected mesh of a bone is, (n,) with mean about 0 and spread about 1.

    Args:
        x, y: (n,) mm across and along the bone.
        grain: mesh size across and along, mm.
        offset: which of the lattice's fields: one a bone.
    """
    across, along = grain
    lean = 0.16 * y
    bend = 0.9 * across * lattice.noise(x / (2.5 * across), y / along, offset + 4)
    struts = (
        lattice.threads((x + lean + bend) / across, y / along, offset)
        + lattice.threads((x - lean + bend) / across, y / along, offset + 1)
        + lattice.threads((x + bend) / (0.6 * across), y / (0.7 * along), offset + 5)
    )
    mesh = lattice.threads((x + bend) / (0.9 * across), (y + bend) / (0.9 * across), offset + 2)
    clouds = lattice.noise(x / 3.5, y / 4.5, offset + 3)
    return 1.15 * (struts - 3.0 * _MEAN_THREAD) + 1.3 * (mesh - _MEAN_THREAD) + 0.9 * (clouds - 0.5)
