"""Sliding windows: a picture predicted part by part, blended, and given out row by row so that little is held."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from train.predict.views import View, Window, cut, lay_back

#: Takes uint8 (b, h, w), gives probabilities float32 (b, classes, h, w).
Run = Callable[[np.ndarray], np.ndarray]
_SIGMA = 1 / 8


def starts(length: int, side: int, overlap: float) -> list[int]:
    """Where windows of ``side`` pixels begin along a line, evenly, neighbours sharing at least ``overlap`` of a side.

    The first begins at 0 and the last ends with the line; one window, reaching beyond, where the line is shorter.
    """
    if length <= side:
        return [0]
    count = math.ceil((length - side) / max(int(side * (1 - overlap)), 1)) + 1
    return [round(k * (length - side) / (count - 1)) for k in range(count)]


def gaussian(height: int, width: int) -> np.ndarray:
    """How much each pixel of a window counts: most in the middle, where the network sees all round it.

    A Gaussian of an eighth of the side, never 0, as in nnU-Net (Isensee et al., Nature Methods 18, 2021).

    Returns:
        float32 (height, width), at most 1.
    """
    lines = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n * _SIGMA)) ** 2) for n in (height, width)]
    return np.maximum(np.outer(*lines), 1e-4).astype(np.float32)


def bands(
    image: np.ndarray, background: int, side: int, overlap: float, views: Sequence[View], run: Run, n_classes: int,
    batch: int = 1,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Probabilities of a picture, band after band from its top.

    Held at a time: one row of windows, float32 (n_classes, side, width), not the picture.

    Args:
        image: uint8 (h, w). background: grey level beyond it.
        side: of the windows, pixels. overlap: share of a side that neighbours have in common, in [0, 1).
        views: looks at each window; their answers are averaged.
        batch: windows that the network sees at once.

    Yields:
        float32 (n_classes, rows, w), all rows together the picture's; valid, and free to change, until the next.
    """
    height, width = image.shape
    rows, columns = starts(height, side, overlap), starts(width, side, overlap)
    weight = gaussian(side, side)
    total, counted = np.zeros((n_classes, side, width), np.float32), np.zeros((side, width), np.float32)
    for y, after in zip(rows, [*rows[1:], height], strict=True):
        for view in views:
            for first in range(0, len(columns), batch):
                windows = [Window(x, y, side, side) for x in columns[first : first + batch]]
                answers = run(np.stack([cut(image, background, window, view) for window in windows]))
                for window, answer in zip(windows, answers, strict=True):
                    part, share = lay_back(answer, weight, window, view)
                    right = min(window.x + side, width)
                    total[:, :, window.x : right] += part[:, :, : right - window.x]
                    counted[:, window.x : right] += share[:, : right - window.x]
        done = after - y
        total[:, :done] /= counted[:done]
        yield total[:, :done]
        keep = side - done
        if after < height:
            for held in (*total, counted):  # one at a time: a copy of all would double what is held
                held[:keep] = held[done:].copy()
                held[keep:] = 0
