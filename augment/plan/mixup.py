"""Mixup: the weighted mean of two films; the target is the weighted sum of their labels.

Source: Zhang et al., mixup, arXiv:1710.09412: the weight is drawn from Beta(alpha, alpha).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from augment.plan.base import Pool, fitted, positive
from augment.plan.draw import draw_pairs
from curate.sample.geometry import frame
from curate.sample.recipe import Placement, Recipe

LEAST = 0.01
"""Least share of a film in a mixture: below it no pixel would change."""


@dataclass(frozen=True)
class Mixup:
    """The weighted mean of two films; both films' labels stay, each with its film's weight for the trainer.

    Attributes:
        alpha: the first film's weight is drawn from Beta(alpha, alpha).
        same_side: left hands with left hands, right with right.
    """

    alpha: float = 0.4
    same_side: bool = False

    operator: ClassVar[str] = "mixup"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        positive("alpha", self.alpha)

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n pairs; the parents of one share a fold, and a side when asked."""
        for drawn in draw_pairs(pool.rows, n, seed, self.operator, self.same_side):
            share = round(float(np.clip(drawn.rng.beta(self.alpha, self.alpha), LEAST, 1 - LEAST)), 6)
            size = (drawn.parents[0].width, drawn.parents[0].height)
            places = []
            for parent, weight in zip(drawn.parents, (share, round(1 - share, 6)), strict=True):
                affine, _ = fitted(parent, size)  # beside a film of another shape its background is mixed in
                places.append(Placement.of(parent.id, affine, frame(*size), blend="mean", weight=weight))
            yield Recipe(self.operator, self.version, drawn.seed, size, tuple(places))
