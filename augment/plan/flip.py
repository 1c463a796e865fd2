"""Flip: left and right exchanged, x -> W - 1 - x; a right hand becomes a left one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from augment.plan.base import Pool
from augment.plan.draw import draw
from curate.sample.geometry import flip_affine, frame
from curate.sample.recipe import Placement, Recipe


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged (x -> W - 1 - x): a right hand becomes a left one. Each film can be flipped once."""

    operator: ClassVar[str] = "flip"
    version: ClassVar[int] = 1
    one_each: ClassVar[bool] = True

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """At most as many as there are films."""
        for drawn in draw(pool.rows, min(n, len(pool.rows)), 1, seed, self.operator):
            (parent,) = drawn.parents
            size = (parent.width, parent.height)
            place = Placement.of(parent.id, flip_affine(parent.width), frame(*size))
            yield Recipe(self.operator, self.version, 0, size, (place,))
