"""Where the hand lies on the film: millimetres in the hand's frame to pixels and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pose import Pose
from .solid import Posed

_FILM_MM = 208.0
"""A film as high as this would show the mean hand at the scale the films are taken at."""


@dataclass(frozen=True)
class View:
    """A similarity from the hand's frame (mm) to pixels of a square film; vertex (x, y) is a pixel's centre.

    Args:
        size: pixels along each side.
        matrix: (2, 3) millimetres to pixels.
        mm: length of a pixel in mm.
    """

    size: int
    matrix: np.ndarray
    mm: float

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) mm in the hand's frame -> (n, 2) px."""
        return np.asarray(points, dtype=np.float64)[:, :2] @ self.matrix[:, :2].T + self.matrix[:, 2]

    def to_hand(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) px -> (n, 2) mm in the hand's frame."""
        return (np.asarray(points, dtype=np.float64) - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T

    def box(self, points: np.ndarray, margin: int = 2) -> tuple[slice, slice]:
        """Rows and columns of the film that hold the points (mm) and ``margin`` more pixels; empty when outside."""
        px = self.to_pixels(points)
        low = np.clip(np.floor(px.min(axis=0)).astype(int) - margin, 0, self.size)
        high = np.clip(np.ceil(px.max(axis=0)).astype(int) + margin + 1, 0, self.size)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def grid(self, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        """x and y (mm, hand's frame) of each pixel in a box, two float64 arrays of the box's shape."""
        y, x = np.meshgrid(
            np.arange(rows.start, rows.stop, dtype=np.float64),
            np.arange(columns.start, columns.stop, dtype=np.float64),
            indexing="ij",
        )
        inverse = np.linalg.inv(self.matrix[:, :2])
        x, y = x - self.matrix[0, 2], y - self.matrix[1, 2]
        return inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y


def frame_hand(posed: dict[str, Posed], pose: Pose, left: bool, size: int, rng: np.random.Generator) -> View:
    """Lay the hand on the film so that all of it and the wrist are seen, the forearm leaving over an edge."""
    points, radii = _outermost(posed)
    turn = np.radians(pose.rotation)
    mirror = -1.0 if left else 1.0
    # hand's y up and image's y down; fingers turn clockwise on the film, whichever hand it is
    turned = np.array([[np.cos(turn), np.sin(turn)], [np.sin(turn), -np.cos(turn)]]) @ np.diag([mirror, 1.0])
    flat = points @ turned.T
    low, high = (flat - radii[:, None]).min(axis=0), (flat + radii[:, None]).max(axis=0)
    margin = 0.022 * size
    fit = float(np.min((size - 2.0 * margin) / (high - low)))
    scale = min(fit, size / (_FILM_MM * rng.uniform(0.97, 1.05)))
    slack = size - 2.0 * margin - scale * (high - low)
    share = np.array([rng.uniform(0.3, 0.7), rng.uniform(0.3, 1.0)])
    shift = margin + slack * share - scale * low
    return View(size, np.concatenate([scale * turned, shift[:, None]], axis=1), 1.0 / scale)


def _outermost(posed: dict[str, Posed]) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) that must be on the film and the room (n,) to keep round each, mm."""
    points, radii = [], []
    for number in range(1, 20):
        points += [posed[f"finger-{number}"].origin, posed[f"finger-{number}"].head]
        radii += [9.0, 9.0]
    for name, along in (("Radius", 0.91), ("Ulna", 0.905)):
        bone = posed[name]
        points.append(bone.at(float(bone.solid.centre[-1]), along))
        radii.append(8.0)
    return np.array(points)[:, :2], np.array(radii)
