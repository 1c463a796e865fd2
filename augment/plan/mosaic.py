"""Mosaic: films side by side in rows and columns about a random centre, each whole or a crop of it.

Source: Bochkovskiy et al., YOLOv4, arXiv:2004.10934 (2 x 2 with a random centre).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np

from augment.plan.base import Pool, common_size, positive
from augment.plan.draw import draw, of_known_side, part_of
from curate.errors import UsageError
from curate.manifest import SampleRow
from curate.sample.geometry import Box, compose, scale_affine, translation
from curate.sample.recipe import Placement, Recipe

FITS = ("whole", "cropped", "mixed")


@dataclass(frozen=True)
class Mosaic:
    """Films side by side in rows and columns about a moved centre, each whole or a crop of it.

    Attributes:
        rows, columns: of the grid.
        fit: ``whole`` (each film shrunk into its cell), ``cropped`` (a random crop fills the cell) or ``mixed``.
        jitter: how far the inner borders move, as a share of a cell; below 1.
        size: edge of the square output in pixels; 0 takes the parents' commonest size.
        same_side: left hands with left hands, right with right.
    """

    rows: int = 2
    columns: int = 2
    fit: str = "whole"
    jitter: float = 0.4
    size: int = 0
    same_side: bool = False

    operator: ClassVar[str] = "mosaic"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        positive("rows", self.rows)
        positive("columns", self.columns)
        if self.fit not in FITS:
            raise UsageError("--fit", f"{self.fit!r} is none of {', '.join(FITS)}")
        if not 0 <= self.jitter < 1:
            raise UsageError("--jitter", f"{self.jitter} is not a share in [0, 1)")
        if self.size < 0:
            raise UsageError("--size", f"{self.size} is negative")

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n mosaics; the parents of one share a fold (and a side, when asked)."""
        candidates = of_known_side(pool.rows) if self.same_side else pool.rows
        size = (self.size, self.size) if self.size else common_size(candidates)
        cells = self.rows * self.columns
        if min(size) < 2 * max(self.rows, self.columns):
            raise UsageError("--size", f"{size[0]} x {size[1]} has no room for {self.rows} x {self.columns} cells")
        told = False
        for drawn in draw(candidates, n, cells, seed, self.operator, part_of(self.same_side)):
            if drawn.repeated and not told:
                told = True
                pool.warn(f"a fold has fewer than {cells} films to draw from: films repeat within a mosaic")
            rng = drawn.rng
            xs = _borders(rng, self.columns, size[0], self.jitter)
            ys = _borders(rng, self.rows, size[1], self.jitter)
            boxes = [
                (xs[c] - 0.5, ys[r] - 0.5, xs[c + 1] - 0.5, ys[r + 1] - 0.5)
                for r in range(self.rows)
                for c in range(self.columns)
            ]
            places = tuple(self._place(rng, parent, box) for parent, box in zip(drawn.parents, boxes, strict=True))
            yield Recipe(self.operator, self.version, drawn.seed, size, places)

    def _place(self, rng: np.random.Generator, parent: SampleRow, box: Box) -> Placement:
        width, height = box[2] - box[0], box[3] - box[1]
        whole = self.fit == "whole" or (self.fit == "mixed" and rng.random() < 0.5)
        if whole:
            scale = min(width / parent.width, height / parent.height)
            room = (width - parent.width * scale, height - parent.height * scale)
            x, y = (round(box[k] + 0.5 + room[k] / 2) for k in (0, 1))
        else:
            least = max(width / parent.width, height / parent.height)  # the crop must fill the cell
            scale = least if least >= 1 else float(rng.uniform(least, 1.0))
            room = (parent.width * scale - width, parent.height * scale - height)
            x, y = (round(box[k] + 0.5 - rng.uniform(0, max(room[k], 0))) for k in (0, 1))
            # rounding must not uncover the far edge of the cell
            x = min(max(x, ceil(box[0] + 0.5 - room[0] - 1e-9)), round(box[0] + 0.5))
            y = min(max(y, ceil(box[1] + 0.5 - room[1] - 1e-9)), round(box[1] + 0.5))
        return Placement.of(parent.id, compose(translation(x, y), scale_affine(scale)), box)


def _borders(rng: np.random.Generator, cells: int, extent: int, jitter: float) -> list[int]:
    """Whole-pixel borders of ``cells`` cells over ``extent`` pixels, the inner ones moved at random."""
    step = extent / cells
    inner = [round((k + rng.uniform(-jitter, jitter) / 2) * step) for k in range(1, cells)]
    return [0, *inner, extent]
