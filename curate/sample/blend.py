"""How one film's pixels meet another's: weighted means, and one film seen through another."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SURROUND = 16
"""Output pixels round a ring of which an attenuation reads the levels."""

SURROUND_CELLS = 48
"""The levels around a ring are carried inside it on a grid of about this many cells a side."""

FEATHER = 6.0
"""An attenuation through a ring grows from nothing at the ring to its full strength this many output pixels inside."""


def attenuate(below: np.ndarray, above: np.ndarray, background: int, weight: float) -> np.ndarray:
    """One film seen through another: transmissions multiply (Beer-Lambert on films shown bright where dense).

    The transmission of ``above`` is (255 - v) / (255 - background), at most 1, to the power ``weight``.

    Args:
        below, above: uint8 (h, w). background: grey level at which ``above`` lets everything through.

    Returns:
        uint8 (h, w).
    """
    levels = (255.0 - np.arange(256)) / max(255 - background, 1)
    transmission = np.clip(levels, 0, 1) ** weight
    return np.rint(255.0 - (255.0 - below) * transmission[above]).astype(np.uint8)


@dataclass(frozen=True)
class Surroundings:
    """Where round a ring the level of tissue is read.

    Attributes:
        reach: pixels from the ring. crossed: share of them that other bones take; they are its lightest part.
    """

    reach: float
    crossed: float = 0.0


def attenuate_inside(
    below: np.ndarray, above: np.ndarray, inside: np.ndarray, weight: float, feather: float,
    near: Surroundings | None = None,
) -> np.ndarray:
    """What one film shows inside a ring above the levels along that ring, seen over another film.

    The levels outside the ring are carried inside it as a membrane (Laplace's equation), which is the part that soft
    tissue plays; only what is denser than that attenuates. At the ring itself nothing changes, so no seam shows.

    Args:
        below, above: uint8 (h, w). inside: bool (h, w). feather: pixels from the ring to full strength.
        near: what other bones take of the ring's surroundings; without it all of them count as tissue.

    Returns:
        uint8 (h, w), equal to ``below`` outside the ring.

    Source: Perez, Gangnet, Blake, Poisson image editing, 2003 (the membrane), on transmissions instead of levels.
    """
    tissue = above if near is None or not near.crossed else np.minimum(above, _tissue_level(above, inside, near))
    surround = membrane(tissue, inside)
    excess = np.clip((255.0 - above) / np.maximum(255.0 - surround, 1.0), 0.0, 1.0)
    padded = cv2.copyMakeBorder(inside.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    strength = np.clip(depth / max(feather, 1e-6), 0.0, 1.0) * weight
    return np.rint(255.0 - (255.0 - below) * excess**strength).astype(np.uint8)


def _tissue_level(above: np.ndarray, inside: np.ndarray, near: Surroundings) -> np.uint8:
    """The level above which what lies round a ring is taken for other bones, uint8."""
    padded = cv2.copyMakeBorder((~inside).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    levels = np.sort(above[(distance > 0) & (distance <= near.reach)])
    if not len(levels):
        return np.uint8(255)
    # the lightest of the rest border on those bones: the more of them, the less of the rest is trusted
    share = (1.0 - near.crossed) * (1.0 - near.crossed / 2)
    return levels[min(int(share * len(levels)), len(levels) - 1)]


def membrane(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Levels outside a region carried smoothly into it: float32 (h, w), equal to ``values`` blurred outside.

    Solved on a coarse grid from coarser ones, by a fixed number of relaxations, so that it is fast and always the same.
    """
    height, width = values.shape
    step = max(-(-max(height, width) // SURROUND_CELLS), 1)
    size = (-(-width // step), -(-height // step))
    known = cv2.resize((~inside).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(np.where(inside, 0, values).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    level = _relaxed(np.divide(sums, known, out=np.zeros_like(sums), where=known > 0), known)
    # cells are blocks of pixels: cell c has its centre at (c + 0.5) step - 0.5
    x = ((np.arange(width, dtype=np.float32) + 0.5) * (size[0] / width)) - 0.5
    y = ((np.arange(height, dtype=np.float32) + 0.5) * (size[1] / height)) - 0.5
    return cv2.remap(level, *np.meshgrid(x, y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _relaxed(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Unknown cells (``known`` below a half) filled by Laplace's equation; float32 (h, w)."""
    fixed = known >= 0.5
    if not fixed.any():
        fixed = known >= min(float(known.max()), 0.5)
    guess = np.full_like(values, float(values[fixed].mean()))
    if min(values.shape) > 6:
        half = (values.shape[1] // 2, values.shape[0] // 2)
        weights = cv2.resize(fixed.astype(np.float32), half, interpolation=cv2.INTER_AREA)
        sums = cv2.resize(np.where(fixed, values, 0).astype(np.float32), half, interpolation=cv2.INTER_AREA)
        coarse = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
        guess = cv2.resize(_relaxed(coarse, weights), values.shape[::-1], interpolation=cv2.INTER_LINEAR)
    kernel = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
    for _ in range(24):
        guess = np.where(fixed, values, guess)
        guess = cv2.filter2D(guess, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.where(fixed, values, guess).astype(np.float32)
