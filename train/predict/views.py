"""Test-time augmentation: the looks at a part of a picture, and how their answers are laid back onto it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from curate.errors import UsageError
from curate.sample.geometry import compose, translation

TTA = ("flip", "scale", "rotate")
_FACTORS, _TURNS = (0.85, 1.15), (-8.0, 8.0)


@dataclass(frozen=True)
class Window:
    """A box of whole pixels: its corner, width and height. It may reach beyond the picture."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class View:
    """One look at a window: mirrored, or turned by degrees and resized by a factor about its centre."""

    flip: bool = False
    turn: float = 0.0
    factor: float = 1.0

    @property
    def straight(self) -> bool:
        """Whether nothing is resampled."""
        return self.turn == 0 and self.factor == 1

    def matrix(self, window: Window) -> np.ndarray:
        """Window pixels to pixels of the view: float64 (2, 3)."""
        return cv2.getRotationMatrix2D(((window.width - 1) / 2, (window.height - 1) / 2), self.turn, self.factor)


def views_of(tta: Sequence[str]) -> tuple[View, ...]:
    """The looks that some kinds of augmentation ask for, the plain one first.

    Raises:
        UsageError: an unknown kind.
    """
    for name in tta:
        if name not in TTA:
            raise UsageError("--tta", f"{name!r} is none of: {', '.join(TTA)}")
    flips = (View(flip=True),) if "flip" in tta else ()
    factors = tuple(View(factor=f) for f in _FACTORS) if "scale" in tta else ()
    turns = tuple(View(turn=t) for t in _TURNS) if "rotate" in tta else ()
    return (View(), *flips, *factors, *turns)


def cut(image: np.ndarray, background: int, window: Window, view: View) -> np.ndarray:
    """What a view sees of a picture: uint8 (window.height, window.width).

    A turned or shrunk view shows what lies around the window where the picture goes on, and its background beyond.
    """
    size = (window.width, window.height)
    if not view.straight:
        to_view = compose(view.matrix(window), translation(-window.x, -window.y))
        return cv2.warpAffine(image, to_view, size, flags=cv2.INTER_LINEAR, borderValue=background)
    height, width = image.shape
    patch = np.full(size[::-1], background, np.uint8)
    top, left = max(window.y, 0), max(window.x, 0)
    here = image[top : min(window.y + size[1], height), left : min(window.x + size[0], width)]
    patch[top - window.y :, left - window.x :][: here.shape[0], : here.shape[1]] = here
    return patch[:, ::-1] if view.flip else patch


def lay_back(
    probabilities: np.ndarray, weight: np.ndarray, window: Window, view: View
) -> tuple[np.ndarray, np.ndarray]:
    """Answers to a view, weighted, back on the window; where the view saw nothing of it, the weight is 0.

    Args:
        probabilities: float32 (classes, h, w) of the view's pixels. weight: float32 (h, w), of each of them.

    Returns:
        float32 (classes, h, w), the probabilities times their weights, and float32 (h, w), the weights.
    """
    weighted = probabilities * weight
    if view.straight:
        return (weighted[:, :, ::-1], weight[:, ::-1]) if view.flip else (weighted, weight)
    matrix, size = view.matrix(window), (window.width, window.height)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    layers = [cv2.warpAffine(layer, matrix, size, flags=flags, borderValue=0) for layer in (*weighted, weight)]
    return np.stack(layers[:-1]), layers[-1]
