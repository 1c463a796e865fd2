"""Displacement fields for recipes: sampled on nodes, kept from folding, written short."""

from __future__ import annotations

import numpy as np

from curate.sample.recipe import Field
from curate.sample.warp import steepness

STEEPEST = 0.8
"""A planned field changes by at most this many pixels a pixel; from 1 on it could fold."""


def nodes_of(lattice: int) -> int:
    """Nodes along an edge that follow a spline over ``lattice`` control points closely."""
    return 6 * lattice + 1


def field_of(grid: np.ndarray) -> Field:
    """A field from displacements at its nodes, in thousandths of a pixel.

    Args:
        grid: float64 (rows, cols, 2), output pixels.
    """
    short = np.round(grid, 3) + 0.0
    return Field(*grid.shape[:2], tuple(short[..., 0].ravel().tolist()), tuple(short[..., 1].ravel().tolist()))


def gentle_field(grid: np.ndarray, size: tuple[int, int]) -> Field:
    """The same, weakened where it would be too steep.

    Args:
        size: (width, height) of the output.
    """
    steep = steepness(field_of(grid), size)
    return field_of(grid if steep <= STEEPEST else grid * (STEEPEST / steep))
