"""Pixels through an affine, and optionally a displacement field, by OpenCV, on the one sampling grid."""

from __future__ import annotations

import cv2
import numpy as np

from curate.errors import RecipeError
from curate.sample.geometry import apply_affine, compose, invert, linear_scale, scale_affine
from curate.sample.recipe import Field

MAP_STEPS = 1024
"""Sampling positions of a displaced warp are rounded to 1/1024 px, so that a last-bit difference between processors
does not reach the pixels."""


class Film:
    """A decoded film with the shrunk copies that renders at smaller scales start from.

    Attributes:
        gray: uint8 array of shape (height, width).
        background: grey level of the empty film, 0 to 255.
    """

    def __init__(self, gray: np.ndarray, background: int):
        self.gray = gray
        self.background = background
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
        return sum(level.nbytes for level in self._levels.values())


def shrink_factor(affine: np.ndarray) -> int:
    """By how much to average before a warp that shrinks, so that the warp itself shrinks by less than two."""
    return max(int(1.0 / linear_scale(affine) + 1e-6), 1)


def warp(film: Film, affine: np.ndarray, size: tuple[int, int], fill: int | None = None) -> np.ndarray:
    """A film through an affine: box average to the next whole factor, then one bilinear resampling.

    Args:
        affine: film pixels to output pixels, float64 (2, 3).
        size: (width, height) of the output.
        fill: grey level outside the film; the film's own background by default.

    Returns:
        uint8 array of shape (height, width).
    """
    factor = shrink_factor(affine)
    level = film.level(factor)
    matrix = compose(affine, scale_affine(factor))
    outside = film.background if fill is None else fill
    return cv2.warpAffine(
        level, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside
    )


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


def check_field(field: Field, size: tuple[int, int]) -> None:
    """Raise ``RecipeError`` when a field could fold the picture: where it changes by a pixel or more per pixel."""
    if field.rows < 2 or field.cols < 2 or len(field.dx) != field.rows * field.cols != len(field.dy):
        raise RecipeError(None, f"displacement field of {field.rows} x {field.cols} nodes is malformed")
    grid = field.grid()
    along = np.abs(np.diff(grid, axis=1)).max() * (field.cols - 1) / size[0]
    down = np.abs(np.diff(grid, axis=0)).max() * (field.rows - 1) / size[1]
    if not along + down < 1:
        raise RecipeError(None, f"displacement field changes by {along + down:.2f} px a pixel; below 1 it cannot fold")


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
    x, y = np.meshgrid(np.arange(size[0]) + origin[0], np.arange(size[1]) + origin[1])
    points = apply_affine(invert(to_scale), np.stack([x.ravel(), y.ravel()], 1).astype(np.float64))
    points += displacement(field, points, full_size)
    source = apply_affine(invert(compose(affine, scale_affine(factor))), points)
    source = (np.rint(source * MAP_STEPS) / MAP_STEPS).astype(np.float32).reshape(size[1], size[0], 2)
    return cv2.remap(
        level, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=film.background
    )
