"""Small pictures for logs: outlines over films, and bars of per-class scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

# Told apart by colour-blind readers: Okabe and Ito, "Color universal design", 2008.
TRUE, FOUND, BOTH = (86, 180, 233), (230, 159, 0), (255, 255, 255)
_ROW, _NAME, _BAR = 16, 110, 240


def edges(masks: np.ndarray) -> np.ndarray:
    """Pixels on an outline of any mask.

    Args:
        masks: bool (classes, h, w).

    Returns:
        bool (h, w): those whose right or lower neighbour differs in some class.
    """
    out = np.zeros(masks.shape[1:], bool)
    out[:, :-1] |= (masks[:, :, 1:] != masks[:, :, :-1]).any(0)
    out[:-1] |= (masks[:, 1:] != masks[:, :-1]).any(0)
    return out


def outlines(image: np.ndarray, truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """A film with the true outlines in blue, the predicted ones in orange, and white where both run.

    Args:
        image: uint8 (h, w). truth: unsigned (h, w), a bit a class. found: bool (classes, h, w).

    Returns:
        uint8 (h, w, 3).
    """
    bits = np.arange(len(found), dtype=truth.dtype)[:, None, None]
    true_edge = edges(((truth >> bits) & truth.dtype.type(1)).astype(bool))
    found_edge = edges(found)
    picture = np.repeat(image[..., None], 3, axis=2)
    picture[true_edge], picture[found_edge] = TRUE, FOUND
    picture[true_edge & found_edge] = BOTH
    return picture


def smaller(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture shrunk until its longer side has so many pixels; a smaller one as it is."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one height in a row, a black line between them: uint8 (h, w, 3)."""
    gap = np.zeros((len(pictures[0]), 2, 3), np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=1)


def bars(title: str, values: Mapping[str, float]) -> np.ndarray:
    """Horizontal bars from 0 to 1 with their names and numbers; a dash for NaN.

    Returns:
        uint8 (h, w, 3).
    """
    picture = np.full((_ROW * (len(values) + 1) + 6, _NAME + _BAR + 60, 3), 255, np.uint8)
    _write(picture, title, (6, _ROW - 3))
    for row, (name, value) in enumerate(values.items(), 1):
        y = _ROW * row + 4
        _write(picture, name[:16], (6, y + 11))
        cv2.rectangle(picture, (_NAME, y), (_NAME + _BAR, y + 11), (235, 235, 235), -1)
        if value == value:
            cv2.rectangle(picture, (_NAME, y), (_NAME + round(_BAR * min(max(value, 0), 1)), y + 11), (0, 114, 178), -1)
        _write(picture, f"{value:.3f}" if value == value else "-", (_NAME + _BAR + 8, y + 11))
    return picture


def _write(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
