"""From logits at training size to label planes at any size, without a stack of full-size masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from curate.sample.raster import plane_dtype


def logit(probability: float) -> float:
    """The logit of a probability in (0, 1)."""
    return math.log(probability / (1 - probability))


def plane_of_logits(
    logits: np.ndarray, scale: float, size: tuple[int, int], thresholds: float | Sequence[float] = 0.5
) -> np.ndarray:
    """Resample logits bilinearly on the one pixel grid, then apply the thresholds.

    Output pixel X lies at (X + 0.5) * scale - 0.5 in the logits. A bilinear value is a weighted mean of its four
    neighbours, so that nothing outside the box of logits above the threshold can reach it: only that box is
    resampled, class by class. The result is that of resampling everything; at 2048 with 29 bones it takes a
    hundredth of the memory.

    Args:
        logits: float32 (classes, h, w) of the picture alone, without what a letterbox added.
        scale: logit pixels per output pixel.
        size: (width, height) of the output.
        thresholds: probability from which a pixel belongs to a class; one, or one a class.

    Returns:
        uint32 (uint64 for more than 32 classes) array of shape (height, width).
    """
    n = len(logits)
    plane = np.zeros((size[1], size[0]), plane_dtype(n))
    limits = [thresholds] * n if isinstance(thresholds, (int, float)) else list(thresholds)
    for k, (layer, probability) in enumerate(zip(logits, limits, strict=True)):
        here = class_values(layer, scale, size, probability)
        if here is not None:
            y, x, values = here
            plane[y, x] |= (values >= np.float32(logit(probability))).astype(plane.dtype) << plane.dtype.type(k)
    return plane


def class_values(
    layer: np.ndarray, scale: float, size: tuple[int, int], probability: float
) -> tuple[slice, slice, np.ndarray] | None:
    """One class's logits resampled, where they can reach a threshold.

    Args:
        layer: float32 (h, w). scale, size: as in :func:`plane_of_logits`. probability: the threshold.

    Returns:
        rows and columns of the output, and float32 values there; ``None`` where the class is nowhere.
    """
    height, width = layer.shape
    above = layer >= np.float32(logit(probability))
    rows, columns = np.flatnonzero(above.any(1)), np.flatnonzero(above.any(0))
    if not rows.size:
        return None
    y, y_low, y_part = _taps(int(rows[0]), int(rows[-1]), height, scale, size[1])
    x, x_low, x_part = _taps(int(columns[0]), int(columns[-1]), width, scale, size[0])
    y_high, x_high = np.minimum(y_low + 1, height - 1), np.minimum(x_low + 1, width - 1)
    across = layer[:, x_low] * (1 - x_part) + layer[:, x_high] * x_part
    return y, x, across[y_low] * (1 - y_part[:, None]) + across[y_high] * y_part[:, None]


def _taps(first: int, last: int, n: int, scale: float, out: int) -> tuple[slice, np.ndarray, np.ndarray]:
    """Which output pixels see inputs ``first`` to ``last``, their lower neighbours and the share of the upper ones."""
    start = max(0, math.floor((first - 0.5) / scale - 0.5)) if first > 0 else 0
    stop = min(out, math.ceil((last + 1.5) / scale - 0.5) + 1) if last < n - 1 else out
    at = np.clip((np.arange(start, stop) + 0.5) * scale - 0.5, 0, n - 1)
    low = np.floor(at).astype(np.int64)
    return slice(start, stop), low, (at - low).astype(np.float32)


class PlaneWriter:
    """A label plane from logits that come row by row; the same plane as :func:`plane_of_logits` of all of them.

    Args:
        n_classes: of the logits. grid: (width, height) of all logits together.
        scale, size, thresholds: as in :func:`plane_of_logits`.

    Attributes:
        plane: unsigned (height, width); whole once every row was given.
    """

    def __init__(
        self, n_classes: int, grid: tuple[int, int], scale: float, size: tuple[int, int],
        thresholds: float | Sequence[float] = 0.5,
    ):  # fmt: skip
        given = [thresholds] * n_classes if isinstance(thresholds, (int, float)) else thresholds
        self.limits = [np.float32(logit(p)) for p in given]
        self.plane = np.zeros((size[1], size[0]), plane_dtype(n_classes))
        self._height, self._same = grid[1], scale == 1.0 and grid == size
        _, self._x, self._x_part = _taps(0, grid[0] - 1, grid[0], scale, size[0])
        self._x_high = np.minimum(self._x + 1, grid[0] - 1)
        _, self._y, self._y_part = _taps(0, grid[1] - 1, grid[1], scale, size[1])
        self._first = self._seen = self._done = 0
        self._kept = np.zeros((n_classes, 0, grid[0]), np.float32)

    def add(self, rows: np.ndarray) -> None:
        """Take in the next rows of logits, float32 (classes, r, w)."""
        if self._same:
            here = self.plane[self._seen : self._seen + rows.shape[1]]
            for k, (layer, limit) in enumerate(zip(rows, self.limits, strict=True)):
                here |= (layer >= limit).astype(self.plane.dtype) << self.plane.dtype.type(k)
            self._seen += rows.shape[1]
            return
        held = np.concatenate([self._kept, rows], axis=1) if self._kept.shape[1] else rows
        self._seen += rows.shape[1]
        last = self._seen == self._height
        # an output row is ready when the row below its lower neighbour has come, or there will be none
        ready = len(self._y) if last else int(np.searchsorted(self._y, self._seen - 1, side="left"))
        rows_out = slice(self._done, ready)
        if ready > self._done:
            low = self._y[rows_out] - self._first
            high = np.minimum(low + 1, held.shape[1] - 1)
            part = self._y_part[rows_out, None]
            for k, (layer, limit) in enumerate(zip(held, self.limits, strict=True)):
                self._paint(k, layer, limit, rows_out, low, high, part)
            self._done = ready
        if not last:
            first = int(self._y[ready]) if ready < len(self._y) else self._seen
            first = min(first, self._seen)
            self._kept, self._first = held[:, first - self._first :].copy(), first

    def _paint(
        self, k: int, layer: np.ndarray, limit: np.float32, rows: slice, low: np.ndarray, high: np.ndarray,
        part: np.ndarray,
    ) -> None:  # fmt: skip
        columns = np.flatnonzero((layer >= limit).any(0))
        if not columns.size:
            return
        first = int(np.searchsorted(self._x_high, columns[0]))
        stop = int(np.searchsorted(self._x, columns[-1], side="right"))
        x = slice(first, stop)
        across = layer[:, self._x[x]] * (1 - self._x_part[x]) + layer[:, self._x_high[x]] * self._x_part[x]
        values = across[low] * (1 - part) + across[high] * part
        self.plane[rows, x] |= (values >= limit).astype(self.plane.dtype) << self.plane.dtype.type(k)
