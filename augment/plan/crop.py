"""Crop: a box round some bones, with margin and jitter; every other bone inside it stays in image and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from augment.plan.base import Pool, positive
from augment.plan.draw import draw
from augment.plan.region import wanted_classes
from curate.errors import UsageError
from curate.manifest import SampleRow
from curate.sample.geometry import Box, compose, frame, scale_affine, translation
from curate.sample.recipe import Placement, Recipe


@dataclass(frozen=True)
class Crop:
    """A box round some bones; every other bone inside it stays. A box over the edge is padded, the labels following.

    Attributes:
        region: regions of the hand: carpal, fingertips, thumb, index, middle, ring, little, fingers, metacarpals,
            forearm.
        classes: bones by name, beside or instead of regions.
        margin: on each side, as a share of the longer side of the bones' box.
        jitter: how far the box moves and its margin varies, as a share of the margin; the bones always stay inside.
        square: a square box.
        size: longer edge of the output in pixels; 0 keeps the film's own pixels.
    """

    region: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    margin: float = 0.2
    jitter: float = 0.5
    square: bool = True
    size: int = 0

    operator: ClassVar[str] = "crop"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.region and not self.classes:
            raise UsageError("crop", "needs --region or --classes: what to draw the box round")
        wanted_classes(self.region, self.classes)
        if not 0 <= self.margin < 100:
            raise UsageError("--margin", f"{self.margin} is not a share of 0 or more")
        if not 0 <= self.jitter <= 1:
            raise UsageError("--jitter", f"{self.jitter} is not a share in [0, 1]")
        if self.size:
            positive("size", self.size)

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n crops of the films that show at least one of the bones.

        Raises:
            UsageError: no film shows any of them.
        """
        wanted = set(wanted_classes(self.region, self.classes))
        boxes: dict[str, Box] = {}
        for row in pool.rows:
            bounds = [a.geometry.bounds for a in pool.annotations(row.id) if a.label in wanted]
            if bounds:
                low, high = np.min(bounds, axis=0), np.max(bounds, axis=0)
                boxes[row.id] = (low[0], low[1], high[2], high[3])
        rows = [r for r in pool.rows if r.id in boxes]
        if not rows:
            raise UsageError("crop", f"no film shows any of {', '.join(sorted(wanted))}")
        for drawn in draw(rows, n, 1, seed, self.operator):
            (parent,) = drawn.parents
            yield self._recipe(parent, boxes[parent.id], drawn.rng, drawn.seed)

    def _recipe(self, parent: SampleRow, bones: Box, rng: np.random.Generator, seed: int) -> Recipe:
        extent = np.array([bones[2] - bones[0], bones[3] - bones[1]])
        margin = self.margin * extent.max() * (1 + self.jitter * rng.uniform(-1, 1))
        edge = np.maximum((np.full(2, extent.max()) if self.square else extent) + 2 * margin, 4.0)
        slack = np.maximum(edge - extent, 0) / 2
        middle = (np.array(bones[:2]) + bones[2:]) / 2 + self.jitter * slack * rng.uniform(-1, 1, 2)
        if self.size == 0:  # whole pixels: nothing is resampled
            edge = np.ceil(edge)
            corner = np.rint(middle - (edge - 1) / 2)
            out = edge.astype(int)
            affine = translation(*-corner)
        else:
            corner = middle - (edge - 1) / 2
            out = np.maximum(np.rint(edge * (self.size / edge.max())), 1).astype(int)
            affine = compose(scale_affine(*(out / edge)), translation(*-corner))
        size = (int(out[0]), int(out[1]))
        place = Placement.of(parent.id, affine, frame(*size))
        return Recipe(self.operator, self.version, seed if self.jitter and self.margin else 0, size, (place,))
