"""Elastic: one smooth random displacement field moves pixels and vertices.

Source: Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 1999 (cubic B-splines on a lattice
of control points); Ronneberger et al., U-Net, arXiv:1505.04597 (random displacements on a coarse lattice).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from augment.plan.base import Pool, positive
from augment.plan.draw import draw
from augment.plan.fields import gentle_field, nodes_of
from curate.errors import UsageError
from curate.sample.geometry import frame, identity
from curate.sample.recipe import Placement, Recipe

SPREAD = 0.48
"""Standard deviation of a cubic B-spline surface over independent control values of standard deviation 1."""


@dataclass(frozen=True)
class Elastic:
    """One smooth random displacement field moves pixels and (densified) vertices.

    Attributes:
        strength: standard deviation of the displacement, as a share of the film's longer edge.
        lattice: control points along an edge: few for broad bends, many for fine ones.
    """

    strength: float = 0.01
    lattice: int = 4

    operator: ClassVar[str] = "elastic"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        positive("strength", self.strength)
        if not 2 <= self.lattice <= 16:
            raise UsageError("--lattice", f"{self.lattice} is not a number of control points from 2 to 16")

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n bent films; a field that would fold the picture is weakened until it doesn't."""
        for drawn in draw(pool.rows, n, 1, seed, self.operator):
            (parent,) = drawn.parents
            size = (parent.width, parent.height)
            values = drawn.rng.normal(0, self.strength * max(size) / SPREAD, (self.lattice + 3, self.lattice + 3, 2))
            basis = _basis(nodes_of(self.lattice), self.lattice)
            grid = np.einsum("ri,cj,ijk->rck", basis, basis, values)
            place = Placement.of(parent.id, identity(), frame(*size), field=gentle_field(grid, size))
            yield Recipe(self.operator, self.version, drawn.seed, size, (place,))


def _basis(nodes: int, lattice: int) -> np.ndarray:
    """Weights of lattice + 3 control points at each of some nodes over the edge: float64 (nodes, lattice + 3)."""
    at = np.linspace(0, lattice, nodes)
    cell = np.minimum(at.astype(int), lattice - 1)
    t = at - cell
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    ) / 6
    basis = np.zeros((nodes, lattice + 3))
    for k in range(4):
        basis[np.arange(nodes), cell + k] = weights[:, k]
    return basis
