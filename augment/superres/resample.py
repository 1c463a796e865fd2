"""Resizing by whole factors on the one pixel grid: x -> (x + 0.5) s - 0.5. Float32 grey levels in and out."""

from __future__ import annotations

import cv2
import numpy as np

KERNELS = {"bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4, "nearest": cv2.INTER_NEAREST}


def shrink(gray: np.ndarray, factor: int) -> np.ndarray:
    """The mean of each block of factor x factor pixels; a last incomplete block is filled with the edge's pixels.

    Args:
        gray: float32 (h, w).

    Returns:
        float32 (ceil(h / factor), ceil(w / factor)).
    """
    if factor == 1:
        return gray
    bottom, right = -gray.shape[0] % factor, -gray.shape[1] % factor
    if bottom or right:
        gray = cv2.copyMakeBorder(gray, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (gray.shape[1] // factor, gray.shape[0] // factor)
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def resize_area(gray: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Area average to (width, height), none larger than the picture's own."""
    if (gray.shape[1], gray.shape[0]) == size:
        return gray
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def enlarge(gray: np.ndarray, factor: int, kernel: str = "bicubic") -> np.ndarray:
    """Interpolate to factor times the size.

    Args:
        gray: float32 (h, w).
        kernel: ``bicubic`` (Keys, a = -0.75), ``lanczos`` (8 x 8 pixels) or ``nearest``.

    Returns:
        float32 (h * factor, w * factor); not clipped.
    """
    size = (gray.shape[1] * factor, gray.shape[0] * factor)
    return cv2.resize(gray, size, interpolation=KERNELS[kernel])


def back_project(gray: np.ndarray, film: np.ndarray, factor: int, rounds: int, rows: int = 512) -> np.ndarray:
    """Correct a result until it, shrunk, is the film: what the shrunk result misses is enlarged and added, in rounds.

    Values stay within 0 to 255 throughout. Beside saturated pixels the smooth rounds converge slowly, so a last step
    moves each block's pixels towards white or black, each by the same share of its way, until the mean is met exactly;
    elsewhere nothing visible is left to move.

    Args:
        gray: float32 (H, W), changed in place.
        film: float32 (ceil(H / factor), ceil(W / factor)): what ``shrink(gray, factor)`` should give.
        rows: of the film corrected at a time, which bounds the memory used beside ``gray``.

    Returns:
        ``gray``.

    Source: iterative back-projection, Irani and Peleg, CVGIP 53 (1991) 231-239.
    """
    np.clip(gray, 0, 255, out=gray)
    margin = 4  # rows of the film that an enlarged row depends on, on either side, with some to spare
    for _ in range(rounds):
        missing = film - shrink(gray, factor)
        for top in range(0, film.shape[0], rows):
            above, below = max(top - margin, 0), min(top + rows + margin, film.shape[0])
            patch = enlarge(missing[above:below], factor)
            first = (top - above) * factor
            part = gray[top * factor : (top + rows) * factor]
            part += patch[first : first + part.shape[0], : part.shape[1]]
            np.clip(part, 0, 255, out=part)
    if rounds:
        mean = shrink(gray, factor)
        way = np.where(film > mean, 255 - mean, mean)  # what is left to the bound on the film's side
        share = np.clip((film - mean) / np.maximum(way, np.float32(1e-6)), -1, 1)
        for top in range(0, film.shape[0], rows):
            part = gray[top * factor : (top + rows) * factor]
            step = enlarge(share[top : top + rows], factor, "nearest")[: part.shape[0], : part.shape[1]]
            part += step * np.where(step > 0, 255 - part, part)
    return gray
