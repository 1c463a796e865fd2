"""Displacement fields for recipes: sampled on nodes, kept from folding, written short."""

from __future__ import annotations

import numpy as np

from curate.sample.recipe import Field
from curate.sample.warp import steepness

STEEPEST = 0.7
"""A planned field changes by at most this many pixels a pixel; from 1 on it could fold."""


def nodes_of(lattice: int) -> int:
    """Nodes along an edge that follow a spline over ``lattice`` control points closely."""
    return 6 * lattice + 1


def field_of(grid: np.ndarray, size: tuple[int, int]) -> Field:
    """A field from displacements at its nodes, weakened where it would be too steep.

    Args:
        grid: float64 (rows, cols, 2), output pixels. size: (width, height) of the output.
    """
    rows, cols = grid.shape[:2]
    field = _field(grid, rows, cols)
    steep = steepness(field, size)
    return field if steep <= STEEPEST else _field(grid * (STEEPEST / steep), rows, cols)


def _field(grid: np.ndarray, rows: int, cols: int) -> Field:
    short = np.round(grid, 3) + 0.0  # a thousandth of a pixel
    return Field(rows, cols, tuple(short[..., 0].ravel().tolist()), tuple(short[..., 1].ravel().tolist()))
