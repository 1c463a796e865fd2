"""Pixels through an affine, and optionally a displacement field, by OpenCV, on the one sampling grid."""

from __future__ import annotations

import cv2
import numpy as np

from curate.errors import RecipeError
from curate.sample.geometry import apply_affine, compose, invert, linear_scale, scale_affine, translation
from curate.sample.recipe import Field

MAP_STEPS = 1024
"""Sampling positions of a displaced warp are rounded to 1/1024 px, so that a last-bit difference between processors
does not reach the pixels."""

STRIP = 64
"""Rows of a displaced warp at a time."""


class Film:
    """A decoded film with the shrunk copies that renders at smaller scales start from.

    Attributes:
        gray: uint8 array of shape (height, width).
        background: grey level of the empty film, 0 to 255.
        full: the grey values of a 16-bit file, uint16 of the same shape, for what keeps depth; else ``None``.
    """

    def __init__(self, gray: np.ndarray, background: int, full: np.ndarray | None = None):
        self.gray = gray
        self.background = background
        self.full = full
        self._levels: dict[int, np.ndarray] = {1: gray}

    def level(self, factor: int) -> np.ndarray:
        """The film averaged over blocks of factor x factor pixels (padded with background to whole blocks)."""
        if factor not in self._levels:
            height, width = self.gray.shape
            bottom, right = -height % factor, -width % factor
            gray = self.gray
            if bottom or right:
                gray = cv2.copyMakeBorder(gray, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=self.background)
            size = (gray.shape[1] // factor, gray.shape[0] // factor)
            self._levels[factor] = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        return self._levels[factor]

    @property
    def nbytes(self) -> int:
        """Memory held by the film and its shrunk copies."""
        return sum(level.nbytes for level in self._levels.values()) + (0 if self.full is None else self.full.nbytes)


def shrink_factor(affine: np.ndarray) -> int:
    """By how much to average before a warp that shrinks, so that the warp itself shrinks by less than two."""
    return max(int(1.0 / linear_scale(affine) + 1e-6), 1)


def warp(
    film: Film, affine: np.ndarray, size: tuple[int, int], fill: int | None = None, inside: bool = False
) -> np.ndarray:
    """A film through an affine: box average to the next whole factor, then one bilinear resampling.

    Moves by whole pixels, mirrored or not, copy instead of resampling; a film that becomes a whole number of pixels
    wide and high is resized and then moved, which is the same grid and three times as fast.

    Args:
        affine: film pixels to output pixels, float64 (2, 3).
        size: (width, height) of the output.
        fill: grey level outside the film; the film's own background by default.
        inside: what will be used of the output lies within the film: its outermost half pixel then takes the film's
            edge instead of a mixture with what is outside.

    Returns:
        uint8 array of shape (height, width).
    """
    factor = shrink_factor(affine)
    level = film.level(factor)
    matrix = compose(affine, scale_affine(factor))
    outside = film.background if fill is None else fill
    whole = np.rint(matrix)
    if np.abs(matrix - whole).max() < 1e-9 and whole[0, 1] == whole[1, 0] == 0 and np.abs(np.diag(whole)).max() == 1:
        return _moved(level, whole.astype(int), size, outside)
    resized = _as_resize(level, matrix)
    if resized is not None and resized[0][0] * resized[0][1] < 2 * size[0] * size[1]:
        extent, offset = resized
        return _moved(cv2.resize(level, extent), translation(*offset).astype(int), size, outside)
    border = cv2.BORDER_REPLICATE if inside else cv2.BORDER_CONSTANT
    return cv2.warpAffine(level, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=outside)


def _as_resize(level: np.ndarray, matrix: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The (width, height) to resize a film to and the whole-pixel move after it, when that is what an affine does."""
    if matrix[0, 1] or matrix[1, 0] or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        return None
    extent = np.array([level.shape[1] * matrix[0, 0], level.shape[0] * matrix[1, 1]])
    offset = matrix[:, 2] - (np.diag(matrix) - 1) / 2
    numbers = np.concatenate([extent, offset])
    whole = np.rint(numbers)
    if np.abs(numbers - whole).max() > 1e-6 or whole[:2].min() < 1:
        return None
    return (int(whole[0]), int(whole[1])), (int(whole[2]), int(whole[3]))


def _moved(level: np.ndarray, matrix: np.ndarray, size: tuple[int, int], outside: int) -> np.ndarray:
    """A film moved by whole pixels, each axis kept or mirrored."""
    target, source = [], []
    for axis, (extent, sign, shift) in enumerate(
        ((size[1], matrix[1, 1], matrix[1, 2]), (size[0], matrix[0, 0], matrix[0, 2]))
    ):
        if sign < 0:
            level = np.flip(level, axis)
            shift -= level.shape[axis] - 1
        first, last = max(shift, 0), min(shift + level.shape[axis], extent)
        target.append(slice(first, max(last, first)))
        source.append(slice(first - shift, max(last, first) - shift))
    result = np.full((size[1], size[0]), outside, np.uint8)
    result[tuple(target)] = level[tuple(source)]
    return result


def displacement(field: Field, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """d(p) at output points: bilinear between the nodes of the field's grid, whose corners are the frame's.

    Args:
        points: float64 (n, 2), output pixels.
        size: (width, height) of the output at full scale.

    Returns:
        float64 (n, 2), output pixels.
    """
    grid = field.grid()
    u = np.clip((points[:, 0] + 0.5) / size[0], 0, 1) * (field.cols - 1)
    v = np.clip((points[:, 1] + 0.5) / size[1], 0, 1) * (field.rows - 1)
    i, j = np.minimum(u.astype(int), field.cols - 2), np.minimum(v.astype(int), field.rows - 2)
    a, b = (u - i)[:, None], (v - j)[:, None]
    upper = grid[j, i] * (1 - a) + grid[j, i + 1] * a
    lower = grid[j + 1, i] * (1 - a) + grid[j + 1, i + 1] * a
    return upper * (1 - b) + lower * b


def steepness(field: Field, size: tuple[int, int]) -> float:
    """By how many pixels a pixel a field changes at most, over both directions; below 1 it cannot fold the picture."""
    grid = field.grid()
    along = np.abs(np.diff(grid, axis=1)).max() * (field.cols - 1) / size[0]
    down = np.abs(np.diff(grid, axis=0)).max() * (field.rows - 1) / size[1]
    return float(along + down)


def check_field(field: Field, size: tuple[int, int]) -> None:
    """Raise ``RecipeError`` when a field could fold the picture: where it changes by a pixel or more per pixel."""
    if field.rows < 2 or field.cols < 2 or not len(field.dx) == len(field.dy) == field.rows * field.cols:
        raise RecipeError(None, f"displacement field of {field.rows} x {field.cols} nodes is malformed")
    steep = steepness(field, size)
    if not steep < 1:
        raise RecipeError(None, f"displacement field changes by {steep:.2f} px a pixel; below 1 it cannot fold")


def displace_points(field: Field, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where vertices go that the affine put at ``points``: the p with p + d(p) = point, to 1e-9 px.

    Fixed-point iteration; it converges because the field changes by less than a pixel per pixel.
    """
    moved = points.copy()
    for _ in range(400):
        following = points - displacement(field, moved, size)
        step = float(np.abs(following - moved).max(initial=0))
        moved = following
        if step < 1e-9:
            return moved
    raise RecipeError(None, "displacement field could not be inverted")


def warp_with_field(
    film: Film, affine: np.ndarray, field: Field, full_size: tuple[int, int], to_scale: np.ndarray,
    origin: tuple[int, int], size: tuple[int, int],
) -> np.ndarray:
    """A film through an affine and a displacement field, for a window of the scaled output.

    Args:
        affine: film pixels to full-size output pixels.
        full_size: (width, height) of the output at full scale, where the field lives.
        to_scale: full-size output pixels to scaled output pixels.
        origin, size: the window, in scaled output pixels.

    Returns:
        uint8 array of shape (size[1], size[0]).
    """
    factor = shrink_factor(compose(to_scale, affine))
    level = film.level(factor)
    result = np.empty((size[1], size[0]), np.uint8)
    to_full, to_level = invert(to_scale), invert(compose(affine, scale_affine(factor)))
    for top in range(0, size[1], STRIP):  # positions take forty times the memory of the pixels
        rows = np.arange(top, min(top + STRIP, size[1]))
        x, y = np.meshgrid(np.arange(size[0]) + origin[0], rows + origin[1])
        points = apply_affine(to_full, np.stack([x.ravel(), y.ravel()], 1).astype(np.float64))
        points += displacement(field, points, full_size)
        source = apply_affine(to_level, points)
        source = (np.rint(source * MAP_STEPS) / MAP_STEPS).astype(np.float32).reshape(len(rows), size[0], 2)
        result[rows] = cv2.remap(
            level, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=film.background
        )
    return result
