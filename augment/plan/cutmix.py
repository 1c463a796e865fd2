"""CutMix: a box of a film replaced by the same box of another.

Source: Yun et al., CutMix, arXiv:1905.04899: lambda from Beta(alpha, alpha); the box is W sqrt(1 - lambda) wide and
H sqrt(1 - lambda) high about a point drawn evenly, and is cut off at the film's edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from augment.plan.base import Pool, fitted, positive
from augment.plan.draw import draw_pairs
from curate.sample.geometry import Box, identity
from curate.sample.recipe import Placement, Recipe


@dataclass(frozen=True)
class CutMix:
    """A box of a film replaced by the same box of another; the labels under it are cut exactly, holes and all.

    Attributes:
        alpha: the kept share is drawn from Beta(alpha, alpha).
        same_side: left hands with left hands, right with right.
    """

    alpha: float = 1.0
    same_side: bool = False

    operator: ClassVar[str] = "cutmix"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        positive("alpha", self.alpha)

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n pairs; the parents of one share a fold, and a side when asked."""
        for drawn in draw_pairs(pool.rows, n, seed, self.operator, self.same_side):
            below, above = drawn.parents
            size = (below.width, below.height)
            affine, _ = fitted(above, size)
            places = (
                Placement.of(below.id, identity(), (-0.5, -0.5, size[0] - 0.5, size[1] - 0.5)),
                Placement.of(above.id, affine, _box(drawn.rng, size, self.alpha)),
            )
            yield Recipe(self.operator, self.version, drawn.seed, size, places)


def _box(rng: np.random.Generator, size: tuple[int, int], alpha: float) -> Box:
    """The paper's box, of at least one pixel."""
    side = float(np.sqrt(1.0 - rng.beta(alpha, alpha)))
    low, high = [], []
    for edge in size:
        middle, half = int(rng.integers(edge)), int(edge * side) // 2
        low.append(max(middle - half, 0))
        high.append(min(max(middle + half, low[-1] + 1), edge))
    return (low[0] - 0.5, low[1] - 0.5, high[0] - 0.5, high[1] - 0.5)
