"""Between masks and polygons: the exact outline of some pixels, and COCO's run lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from curate.errors import LabelError
from curate.formats.base import Part
from curate.sample.geometry import polygonal_parts
from curate.sample.image import MAX_PIXELS

MAX_RUNS = 500_000
"""A mask of more separate runs than this is noise, not an outline, and is refused."""


def trace(mask: np.ndarray, where: Path | str) -> tuple[Part, ...]:
    """The exact outline of a mask, along the edges of its pixels: painted again by area coverage it is the same mask.

    Args:
        mask: bool array of shape (height, width).

    Raises:
        LabelError: nothing is set, or it is too ragged to be an outline.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        raise LabelError(where, "a mask without a pixel")
    top = int(rows[0])  # a bone covers a small part of its film
    edges = np.diff(np.pad(mask[top : rows[-1] + 1].astype(np.int8), ((0, 0), (1, 1))), axis=1)
    y, start = np.nonzero(edges == 1)
    y, stop = y + top, np.nonzero(edges == -1)[1]
    if len(y) > MAX_RUNS:
        raise LabelError(where, f"a mask of {len(y)} runs is no outline")
    union = shapely.union_all(shapely.box(start - 0.5, y - 0.5, stop - 0.5, y + 0.5))
    return tuple(
        Part(_ring(p.exterior), tuple(_ring(h) for h in p.interiors)) for p in polygonal_parts(union.simplify(0))
    )


def _ring(ring: shapely.LinearRing) -> list[list[float]]:
    return [list(p) for p in ring.coords[:-1]]


def decode_rle(segmentation: Any, where: Path, label: str) -> np.ndarray:
    """COCO's run lengths, compressed or not, as a bool array of shape (height, width).

    Source: the COCO API's ``rleFrString``: column by column, runs of 0 first; six bits a character from "0" on, five of
    them data, the third count and later ones as differences to the one two before.

    Raises:
        LabelError: not run lengths, or not as many pixels as the size says.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(_is_whole(n) and n > 0 for n in size):
        raise LabelError(where, f"{label}: run lengths without a size")
    height, width = map(int, size)
    if height * width > MAX_PIXELS:
        raise LabelError(where, f"{label}: a mask of {width} x {height} pixels")
    if isinstance(counts, str):
        counts = _counts(counts, where, label)
    if not isinstance(counts, list) or not all(_is_whole(n) and n >= 0 for n in counts):
        raise LabelError(where, f"{label}: counts are not run lengths")
    counts = list(map(int, counts))
    if sum(counts) != height * width:
        raise LabelError(where, f"{label}: run lengths of {sum(counts)} pixels for {width} x {height}")
    values = np.arange(len(counts), dtype=np.uint8) % 2
    return np.repeat(values, counts).reshape(width, height).T.astype(bool)


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) or (isinstance(number, float) and number.is_integer())


def _counts(text: str, where: Path, label: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:
            raise LabelError(where, f"{label}: counts are not compressed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    return counts


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """A bool array of shape (height, width) as COCO's uncompressed run lengths."""
    flat = mask.T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": counts if not flat[0] else [0, *counts]}


def polygons(parts: Sequence[Part]) -> shapely.Geometry:
    """The region of some parts as one geometry."""
    return shapely.union_all([shapely.Polygon(p.outer, p.holes) for p in parts])
