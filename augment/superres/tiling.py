"""A network over a whole film, tile by tile: each tile sees a margin of its neighbours, so that no seam shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

ALIGN = 4
"""Tiles are multiples of this many pixels: networks that first fold the picture (x2plus) fold whole ones."""


@dataclass(frozen=True)
class Tile:
    """A window of the film, pixels, without the margin that the network sees beside it."""

    x: int
    y: int
    width: int
    height: int


def tiles(size: tuple[int, int], edge: int) -> list[Tile]:
    """Equal tiles of at most ``edge`` pixels that cover (width, height); the last ones may reach beyond."""
    spans = []
    for extent in size:
        count = ceil(extent / edge)
        span = ceil(extent / count / ALIGN) * ALIGN
        spans.append((span, range(0, extent, span)))
    (width, xs), (height, ys) = spans
    return [Tile(x, y, width, height) for y in ys for x in xs]


def run_tiles(
    gray: np.ndarray,
    network: Callable[[np.ndarray, int], np.ndarray],
    edge: int,
    halo: int,
    batch: int = 1,
) -> Iterator[tuple[Tile, np.ndarray]]:
    """Hand a film to a network in tiles, the film mirrored at its borders.

    Args:
        gray: float32 (h, w).
        network: float32 (n, height, width) and the margin about each tile -> float32 (n, height * k, width * k),
            height and width then without the margins.
        edge: of a tile without margins, pixels.
        halo: how far the network must see about each tile, pixels.
        batch: tiles to hand over at a time.

    Yields:
        each tile and its result, float32 (height * k, width * k), which may reach beyond the film.
    """
    height, width = gray.shape
    plan = tiles((width, height), edge)
    margin = ceil(halo / ALIGN) * ALIGN
    right, bottom = plan[-1].x + plan[-1].width - width, plan[-1].y + plan[-1].height - height
    padded = cv2.copyMakeBorder(gray, margin, margin + bottom, margin, margin + right, cv2.BORDER_REFLECT_101)
    for start in range(0, len(plan), batch):
        some = plan[start : start + batch]
        stack = np.stack([padded[t.y : t.y + t.height + 2 * margin, t.x : t.x + t.width + 2 * margin] for t in some])
        yield from zip(some, network(stack, margin), strict=True)
