"""Rotate: a film turned about its centre."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from augment.plan.base import Pool
from augment.plan.draw import draw
from curate.errors import UsageError
from curate.sample.geometry import frame, rotation_about
from curate.sample.recipe import Placement, Recipe


@dataclass(frozen=True)
class Rotate:
    """Options of ``augment rotate``.

    Attributes:
        low, high: angles are drawn evenly between these, degrees clockwise.
    """

    low: float = -45.0
    high: float = 45.0

    operator: ClassVar[str] = "rotate"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not -360 <= self.low < self.high <= 360:
            raise UsageError("--low/--high", f"{self.low} to {self.high} is no range of degrees")

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n turned films, each on its parent's own canvas."""
        for drawn in draw(pool.rows, n, 1, seed, self.operator):
            (parent,) = drawn.parents
            angle = float(drawn.rng.uniform(self.low, self.high))
            centre = ((parent.width - 1) / 2, (parent.height - 1) / 2)
            place = Placement.of(parent.id, rotation_about(angle, centre), frame(parent.width, parent.height))
            yield Recipe(self.operator, self.version, drawn.seed, (parent.width, parent.height), (place,))
