"""Some of a film's grey values, evenly spaced: what is counted on them is much the same on all, and most of a film need
not be touched."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

SIDE, BANDS, COLUMNS, LINES = 512, 64, 64, 8
"""Longer edge of the grid that a film is averaged to; of its rows, of its columns and of the film's own rows about as
many, or up to twice as many, as are taken."""

MARGIN = 64
"""Such a part of a film's rows and columns is left out at either end: scanners leave bright lines there."""


class Grid:
    """A sample of a film of uint8 (h, w) without what was put round it; it does not hold on to the film's pixels."""

    def __init__(self, film: np.ndarray):
        self.shape = height, width = film.shape
        self._step = step = min(max(1, max(height, width) // SIDE), height, width)
        every = max(1, height // step // BANDS)
        if step > 1:
            bands = film[: height // step * step].reshape(-1, step, width)[::every]
            self._rows, self._averaged = bands[:, 0].copy(), _averaged(bands)
        else:
            self._rows = self._averaged = film[::every].copy()

    @cached_property
    def _inside(self) -> tuple[slice, slice]:
        rows, columns = map(_inner, unpadded(self._averaged), self._averaged.shape)
        return rows, columns

    @cached_property
    def gray(self) -> np.ndarray:
        """uint8 (n, w), some rows of the film averaged to ``SIDE``."""
        return self._averaged[self._inside]

    @cached_property
    def cells(self) -> np.ndarray:
        """uint8 (n, m), some columns of ``gray``."""
        return np.ascontiguousarray(self.gray[:, :: max(1, self.gray.shape[1] // COLUMNS)])

    @property
    def lines(self) -> np.ndarray:
        """uint8 (k, width), some of the film's own rows."""
        rows, columns = self._inside
        every = max(1, (rows.stop - rows.start) // LINES)
        return self._rows[rows.start : rows.stop : every, columns.start * self._step : columns.stop * self._step]


def unpadded(gray: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns without those at the edges that hold one grey value only: what was put round a film to make it
    square is none of it. Everything where nothing else is there."""
    kept = []
    for axis, first, last in ((1, gray[0], gray[-1]), (0, gray[:, 0], gray[:, -1])):
        alive = None
        if _plain(first) or _plain(last):  # seldom so, and the rest costs more
            alive = np.flatnonzero(gray.max(axis) > gray.min(axis))
        kept.append(slice(int(alive[0]), int(alive[-1]) + 1) if alive is not None and len(alive) else slice(None))
    return kept[0], kept[1]


def _plain(line: np.ndarray) -> bool:
    return bool(line[0] == line[len(line) // 2] == line[-1] and (line == line[0]).all())


def _averaged(bands: np.ndarray) -> np.ndarray:
    """uint8 (n, width / step) of bands of (n, step, width): means over squares."""
    n, step, width = bands.shape
    across = width // step
    flat = np.ascontiguousarray(bands).reshape(-1, width)
    return cv2.resize(flat[:, : across * step], (across, n), interpolation=cv2.INTER_AREA)


def _inner(kept: slice, n: int) -> slice:
    start, stop, _ = kept.indices(n)
    margin = (stop - start) // MARGIN
    return slice(start + margin, stop - margin)
