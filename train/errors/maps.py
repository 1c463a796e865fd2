"""Pictures of errors: what is right and wrong pixel by pixel, how far off the borders are, where the loss lies.

Colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any common colour blindness tell
apart; scales run along cividis (Nuñez et al., PLoS ONE 13, 2018), made for the same eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

RIGHT, MISSED, INVENTED, WRONG = (0, 158, 115), (213, 94, 0), (86, 180, 233), (240, 228, 66)
"""Red, green, blue of bluish green, vermilion, sky blue and yellow."""
FARTHEST = 12.0
"""Film pixels off at which a border has the last colour of its scale."""
LOSS_RANGE = (1e-2, 10.0)
"""Losses of the first and the last colour; the scale between is logarithmic."""
_SHADE, _INK = 0.55, 0.6


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is known of one film at the size at which it is drawn.

    Attributes:
        gray: uint8 (h, w). truth, found: unsigned label planes (h, w).
        scale: drawn pixels per film pixel.
        loss: float32 (h, w), of each pixel summed over the classes; ``None`` where there is no network to ask.
    """

    gray: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    scale: float
    loss: np.ndarray | None = None

    def cropped(self, window: tuple[slice, slice]) -> Drawn:
        """The part of it inside a window of rows and columns."""
        loss = None if self.loss is None else self.loss[window]
        return Drawn(self.gray[window], self.truth[window], self.found[window], self.scale, loss)

    def only(self, bit: int) -> Drawn:
        """The same with one class alone."""
        keep = self.truth.dtype.type(1 << bit)
        return Drawn(self.gray, self.truth & keep, self.found & keep, self.scale, self.loss)


def verdicts(truth: np.ndarray, found: np.ndarray) -> dict[tuple[int, int, int], np.ndarray]:
    """Pixels by what happened to them, a bool mask (h, w) for each colour.

    Right: all classes agree, and there are some. Missed: a class is not found and none put in its place. Invented: a
    class found where it is not, and none missed. Wrong class: both at once.
    """
    lost, extra = (truth & ~found) != 0, (found & ~truth) != 0
    return {
        RIGHT: (truth != 0) & ~lost & ~extra,
        MISSED: lost & ~extra,
        INVENTED: extra & ~lost,
        WRONG: lost & extra,
    }


def error_map(drawn: Drawn) -> np.ndarray:
    """What is right, missed, invented and of the wrong class, over the film: uint8 (h, w, 3), red green blue."""
    picture = _backdrop(drawn.gray)
    for colour, mask in verdicts(drawn.truth, drawn.found).items():
        strength = 0.35 if colour == RIGHT else 0.85
        picture[mask] = (1 - strength) * picture[mask] + strength * np.array(colour)
    return picture.astype(np.uint8)


def border_map(drawn: Drawn, bits: Sequence[int]) -> np.ndarray:
    """Borders of the prediction and of the truth, each by its distance from the other: uint8 (h, w, 3).

    Dark blue is near, yellow ``FARTHEST`` film pixels away or more; a border without any other is yellow.
    """
    picture = _backdrop(drawn.gray).astype(np.uint8)
    away = np.full(drawn.gray.shape, -1.0, np.float32)
    for bit in bits:
        masks = [((plane >> plane.dtype.type(bit)) & plane.dtype.type(1)).astype(np.uint8)
                 for plane in (drawn.truth, drawn.found)]  # fmt: skip
        edges = [_edge(mask) for mask in masks]
        for edge, other in (edges, edges[::-1]):
            if edge.any():
                far = np.full(edge.shape, np.inf, np.float32)
                if other.any():
                    far = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, 5) / drawn.scale
                away[edge] = np.maximum(away[edge], far[edge])
    shown = away >= 0
    thick = cv2.dilate(np.where(shown, np.minimum(away, FARTHEST), -1), np.ones((2, 2), np.uint8))
    picture[thick >= 0] = _cividis(thick[thick >= 0] / FARTHEST)
    return picture


def loss_map(drawn: Drawn) -> np.ndarray:
    """Where the loss lies, over the film, on a logarithmic scale: uint8 (h, w, 3)."""
    low, high = np.log(LOSS_RANGE)
    level = np.clip((np.log(np.maximum(drawn.loss, LOSS_RANGE[0])) - low) / (high - low), 0, 1)
    return _mixed(drawn.gray, level)


def heat_map(gray: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map in [0, 1], float (h, w), over a film: uint8 (h, w, 3)."""
    return _mixed(gray, heat)


def _mixed(gray: np.ndarray, level: np.ndarray) -> np.ndarray:
    share = (_INK * np.sqrt(np.clip(level, 0, 1)))[..., None]
    return ((1 - share) * gray[..., None] + share * _cividis(level.ravel()).reshape(*level.shape, 3)).astype(np.uint8)


def _backdrop(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None].astype(np.float32) * _SHADE, 3, axis=2)


def _edge(mask: np.ndarray) -> np.ndarray:
    """The outermost pixels of a mask, those at the frame included: bool (h, w)."""
    return mask.astype(bool) & ~cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0).astype(bool)


def _cividis(values: np.ndarray) -> np.ndarray:
    """Colours of numbers in [0, 1]: uint8 (n, 3), red green blue."""
    levels = (np.clip(values, 0, 1) * 255).astype(np.uint8).reshape(-1, 1)
    return cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS)[:, 0, ::-1]
