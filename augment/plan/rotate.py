"""Rotate: a film turned about its centre, by angles of a range or by those that a set of films lacks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import shapely

from augment.plan.base import Pool, one_of
from augment.plan.draw import draw
from augment.plan.match import matching_angles, target_angles
from curate.errors import UsageError
from curate.manifest import EVALUATION_ONLY, SampleRow
from curate.sample.geometry import apply_affine, compose, flip_affine, frame, rotation_about, translation
from curate.sample.recipe import Placement, Recipe
from curate.sample.render import EDGE

BORDERS = ("constant", "reflect")
CANVASES = ("keep", "grow")


@dataclass(frozen=True)
class Rotate:
    """A film turned about its centre. Films flagged `rotation` are left out, unless --turned.

    Attributes:
        low, high: angles are drawn evenly between these, degrees clockwise.
        match: instead of a range, angles that bring training's histogram of orientations nearest to that of a set:
            "test" for this version's test films, or a file that `curate flag-outliers --json` or a spreadsheet wrote
            (a CSV with a column fingers_deg).
        turned: films flagged `rotation` may be turned too.
        border: what lies beyond the film: "constant", its background level, or "reflect", its mirror image, labels too.
        canvas: "keep" the film's size or let it "grow" to hold the whole turned film.
    """

    low: float = -45.0
    high: float = 45.0
    match: str | None = None
    turned: bool = False
    border: str = "constant"
    canvas: str = "keep"

    operator: ClassVar[str] = "rotate"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not -360 <= self.low < self.high <= 360:
            raise UsageError("--low/--high", f"{self.low} to {self.high} is no range of degrees")
        one_of("border", self.border, BORDERS)
        one_of("canvas", self.canvas, CANVASES)

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n turned films.

        Raises:
            UsageError: every film is turned already, or the films or the set to match show no orientation.
        """
        rows = [r for r in pool.rows if self.turned or not pool.turned(r)]
        if not rows:
            raise UsageError(self.operator, "every film selected is flagged rotation; --turned takes those too")
        goals: Sequence[float] | None = None
        if self.match is not None:
            rows = [r for r in rows if pool.angle(r) is not None]
            goals = self._goals(pool, rows, n, seed)
        for drawn in draw(rows, n, 1, seed, self.operator):
            (parent,) = drawn.parents
            angle = float(drawn.rng.uniform(self.low, self.high))
            if goals is not None:
                angle = round((goals[drawn.index] - pool.angle(parent) + 180.0) % 360.0 - 180.0, 6)
            size, places = self._turned(parent, angle)
            yield Recipe(self.operator, self.version, drawn.seed, size, places)

    def _goals(self, pool: Pool, rows: Sequence[SampleRow], n: int, seed: int) -> Sequence[float]:
        """Where the fingers of each child shall point."""
        if not rows:
            raise UsageError("--match", "no film selected shows where its fingers point")
        training = [r for r in pool.samples if r.labelled and r.fold is not None and EVALUATION_ONLY not in r.tags]
        known = [a for a in map(pool.angle, training) if a is not None]
        return matching_angles(known, target_angles(self.match, pool), n, np.random.default_rng([seed, 17]))

    def _turned(self, parent: SampleRow, angle: float) -> tuple[tuple[int, int], tuple[Placement, ...]]:
        width, height = parent.width, parent.height
        turn = rotation_about(angle, ((width - 1) / 2, (height - 1) / 2))
        size = (width, height)
        if self.canvas == "grow":
            spans = np.abs(turn[:, :2]) @ (width, height)
            size = tuple(math.ceil(round(v, 6)) for v in spans)
            turn = compose(translation((size[0] - width) / 2, (size[1] - height) / 2), turn)
        whole = Placement.of(parent.id, turn, frame(*size))
        if self.border == "constant":
            return size, (whole,)
        return size, tuple(_mirrored(parent, turn, size))


def _mirrored(parent: SampleRow, turn: np.ndarray, size: tuple[int, int]) -> Iterator[Placement]:
    """The film and its mirror images over its edges, as far as they are seen; the film itself last."""
    picture = shapely.box(*frame(*size))
    reach = math.hypot(*size) / 2
    extent = (parent.width, parent.height)
    across, down = (math.ceil(max(reach / edge - 0.5, 0)) for edge in extent)
    tiles = [(i, j) for i in range(-across, across + 1) for j in range(-down, down + 1)]
    for i, j in sorted(tiles, key=lambda t: (-abs(t[0]) - abs(t[1]), t)):
        affine = compose(turn, _along(i, extent[0]), _along(j, extent[1], upright=True))
        x0, y0, x1, y1 = frame(*extent)
        wider = EDGE / 2 if (i, j) != (0, 0) else 0.0  # no pixel where tiles meet is left to none of them
        corners = np.array([(x0 - wider, y0 - wider), (x1 + wider, y0 - wider), (x1 + wider, y1 + wider),
                            (x0 - wider, y1 + wider)])
        seen = shapely.intersection(shapely.Polygon(apply_affine(affine, corners)), picture)
        if isinstance(seen, shapely.Polygon) and seen.area > 1.0:
            yield Placement.of(parent.id, affine, np.array(seen.exterior.coords[:-1]))


def _along(k: int, edge: int, upright: bool = False) -> np.ndarray:
    """The k-th mirror image of a film of ``edge`` pixels along an axis: every other one is reversed."""
    affine = translation(k * edge, 0) if k % 2 == 0 else compose(translation(k * edge, 0), flip_affine(edge))
    if upright:
        return affine[::-1][:, [1, 0, 2]]
    return affine
