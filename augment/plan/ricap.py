"""RICAP: four patches about a random boundary point.

Source: Takahashi, Matsubara, Uehara, Data augmentation using random image cropping and patching for deep CNNs,
arXiv:1811.09030. The boundary is (round(W b1), round(H b2)), b1 and b2 from Beta(beta, beta); each patch is cut at a
random place of its own film, at native scale. A boundary that leaves one patch alone is drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from augment.plan.align import Aligner
from augment.plan.base import Pool, common_size, positive
from augment.plan.draw import Drawn, draw, in_company, of_known_side, part_of
from curate.errors import UsageError
from curate.manifest import SampleRow
from curate.sample.geometry import Box, translation
from curate.sample.recipe import Placement, Recipe


@dataclass(frozen=True)
class Ricap:
    """Four patches about a random boundary point, each from another film.

    Attributes:
        beta: the boundary is drawn from Beta(beta, beta): small for one large patch, 1 for any, large for the middle.
        aligned: the patches come from the same place of same-side hands, laid over the first by their bones, so that
            the child is a plausible hand.
        match_levels: bring the grey levels of aligned films to those of the first: no exposure ends at a border.
        same_side: left hands with left hands, right with right; aligned films always are.
        size: edge of the square output in pixels; 0 takes the parents' commonest size. Aligned: the first film's.
    """

    beta: float = 0.3
    aligned: bool = False
    match_levels: bool = True
    same_side: bool = False
    size: int = 0

    operator: ClassVar[str] = "ricap"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        positive("beta", self.beta)
        if self.size and self.size < 16:
            raise UsageError("--size", f"{self.size} is no size for four patches")
        if not self.beta >= 0.01:
            raise UsageError("--beta", f"{self.beta} is below 0.01: one patch would always be alone")
        if self.aligned and self.size:
            raise UsageError("--size", "has no meaning with --aligned: the child has the first film's size")

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n children; the parents of one share a fold, and a side where sides matter."""
        rows = of_known_side(pool.rows) if self.same_side else pool.rows
        aligner = Aligner(pool.annotations)
        if self.aligned:
            rows = [r for r in rows if len(aligner.places(r.id)) >= 2]
            if not rows:
                raise UsageError("--aligned", "no film has two labelled classes to align it by")
        sides_apart = self.aligned or self.same_side
        part = part_of(sides_apart)
        rows = in_company(rows, part, self.operator, "and one side" if sides_apart else "")
        size = (self.size, self.size) if self.size else common_size(rows)
        told = False
        for drawn in draw(rows, n, 4, seed, self.operator, part):
            if drawn.repeated and not told:
                told = True
                pool.warn("a fold has fewer than 4 films to draw from: films repeat within a child")
            first = drawn.parents[0]
            extent = (first.width, first.height) if self.aligned else size
            places = self._places(drawn, extent, aligner)
            yield Recipe(self.operator, self.version, drawn.seed, extent, tuple(places))

    def _places(self, drawn: Drawn, size: tuple[int, int], aligner: Aligner) -> Iterator[Placement]:
        x = y = 0
        while x in (0, size[0]) and y in (0, size[1]):  # one patch alone would be a copy of its film
            x, y = (round(edge * drawn.rng.beta(self.beta, self.beta)) for edge in size)
        first = drawn.parents[0]
        corners = [(x0, y0, x1, y1) for y0, y1 in ((0, y), (y, size[1])) for x0, x1 in ((0, x), (x, size[0]))]
        for parent, (x0, y0, x1, y1) in zip(drawn.parents, corners, strict=True):
            if x0 == x1 or y0 == y1:
                continue
            affine = None
            if self.aligned:
                affine = aligner.between(parent.id, first.id)
            if affine is None:
                affine = _anywhere(drawn.rng, parent, (x0, y0, x1, y1))
            levels = "first" if self.aligned and self.match_levels and parent is not first else None
            yield Placement.of(parent.id, affine, (x0 - 0.5, y0 - 0.5, x1 - 0.5, y1 - 0.5), levels=levels)


def _anywhere(rng: np.random.Generator, parent: SampleRow, patch: Box) -> np.ndarray:
    """A film at native scale, a random part of it in the patch; one smaller than the patch lies in its middle."""
    shift = []
    for low, high, extent in ((patch[0], patch[2], parent.width), (patch[1], patch[3], parent.height)):
        room = extent - (high - low)
        shift.append(low - (int(rng.integers(room + 1)) if room >= 0 else room // 2))
    return translation(*shift)
