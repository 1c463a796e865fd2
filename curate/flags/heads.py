"""What is said of a film from the trunk's maps: by one small head of each cell, by another of the film as a whole.

Learnt by ``python -m benchmarks.flags.learn``; run in numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from curate.flags.trunk import see

SIDE = 448
"""Longer side at which the trunk sees a film, in pixels."""

CELL = 8
"""Pixels of that picture per cell that is spoken of."""

CELLS = ("jewellery", "implant", "cast", "nail-art", "hand", "forearm", "direction-x", "direction-y", "marker")
"""Said of each cell: logits, but for the direction towards the fingers."""

WHOLE = ("inverted", "not-a-hand", "multiple-views", "bent")
"""Said of the film: logits."""

GREYS = 8
"""Measures of a cell's own grey values, beside what the trunk makes of it."""

WIDTH = 24 + 40 + 112 + 192 + GREYS
"""Numbers that the head of cells sees of each."""

_CHANNELS_AT_ONCE = 64


@dataclass(frozen=True)
class Said:
    """dense: float32 (len(CELLS), h, w); whole: float32 (len(WHOLE),)."""

    dense: np.ndarray
    whole: np.ndarray


@dataclass(frozen=True)
class Features:
    """What the heads see. cells: float32 (h, w, WIDTH); whole: float32 (3 * (40 + 112 + 192),)."""

    cells: np.ndarray
    whole: np.ndarray


def prepare(gray: np.ndarray) -> np.ndarray:
    """A uint8 (h, w) film at about ``SIDE``: both sides become the nearest multiples of 32."""
    scale = SIDE / max(gray.shape)
    height, width = (max(64, round(n * scale / 32) * 32) for n in gray.shape)
    return cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _greys(picture: np.ndarray) -> np.ndarray:
    """(h, w, GREYS) of each cell: its mean, brightest and darkest; what stands out of its surroundings (white top-hat),
    absolute and as a share of the film's most; brightest and mean within the film's range."""
    height, width = picture.shape
    smooth = cv2.GaussianBlur(picture, (0, 0), 0.7)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (29, 29))
    hat = smooth.astype(np.float32) - cv2.morphologyEx(smooth, cv2.MORPH_OPEN, disc)

    def of_cells(values: np.ndarray) -> np.ndarray:
        return values.reshape(height // CELL, CELL, width // CELL, CELL).astype(np.float32)

    grey, out = of_cells(picture), of_cells(hat)
    middle, high = (float(v) for v in np.percentile(picture, (60, 99.5)))
    most, span = max(float(np.percentile(hat, 99.8)), 5.0), max(high - middle, 20.0)
    mean, top, low, peak = grey.mean((1, 3)), grey.max((1, 3)), grey.min((1, 3)), out.max((1, 3))
    return np.stack(
        [mean / 64 - 2, top / 64 - 2, low / 64 - 2, peak / 32, out.mean((1, 3)) / 32, peak / most,
         (top - middle) / span, (mean - middle) / span],
        2,
    )  # fmt: skip


def _spread(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (channels, h, w) as (height, width, channels), interpolated."""
    parts = [values[k : k + _CHANNELS_AT_ONCE].transpose(1, 2, 0) for k in range(0, len(values), _CHANNELS_AT_ONCE)]
    sized = [cv2.resize(np.ascontiguousarray(p), (width, height), interpolation=cv2.INTER_LINEAR) for p in parts]
    return np.concatenate(sized, 2)


def features(picture: np.ndarray) -> Features:
    """What the heads see of the output of ``prepare``."""
    maps = see(picture)
    height, width = maps["s8"].shape[1:]
    fine = maps["s4"].reshape(-1, height, 2, width, 2).max((2, 4)).transpose(1, 2, 0)
    wide = [_spread(maps[name], height, width) for name in ("s16", "s32")]
    cells = np.concatenate([fine, maps["s8"].transpose(1, 2, 0), *wide, _greys(picture)], 2, dtype=np.float32)
    flat = [maps[name].reshape(len(maps[name]), -1) for name in ("s8", "s16", "s32")]
    return Features(cells, np.concatenate([f(m, 1) for m in flat for f in (np.mean, np.max, np.std)]))


def say(weights: Mapping[str, np.ndarray], seen: Features) -> Said:
    """Both heads' answers: a hidden layer each."""
    height, width, _ = seen.cells.shape
    hidden = np.maximum(seen.cells.reshape(height * width, -1) @ weights["cells.0.w"] + weights["cells.0.b"], 0)
    dense = (hidden @ weights["cells.1.w"] + weights["cells.1.b"]).reshape(height, width, -1).transpose(2, 0, 1)
    hidden = np.maximum(seen.whole @ weights["whole.0.w"] + weights["whole.0.b"], 0)
    return Said(np.ascontiguousarray(dense), hidden @ weights["whole.1.w"] + weights["whole.1.b"])
