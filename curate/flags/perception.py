"""What the shared network makes of a film, in the film's own pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from curate.flags.net import DENSE, GLOBAL, SIDE, STRIDE, forward, load_weights, prepare
from curate.flags.result import Box

NETWORKS = ("half0.npz", "half1.npz")
"""Trained on one half of the marked studies each; their mean is used on new films."""

_networks: ContextVar[tuple[str, ...]] = ContextVar("networks", default=NETWORKS)


@contextmanager
def only_networks(*names: str) -> Iterator[None]:
    """Use these networks alone: how a film that one of them was trained on is judged by the other."""
    token = _networks.set(names)
    try:
        yield
    finally:
        _networks.reset(token)


@dataclass(frozen=True, eq=False)
class Perception:
    """The networks' mean answer for one film.

    Attributes:
        dense: float32 (len(DENSE), h, w) cut to the film: logits, and the two components of the direction to the
        fingers.
        whole: float32 (len(GLOBAL),) logits; "inverted" is of the film as it is, the others of the film as it
        should be.
        cell: film pixels per cell of ``dense``.
    """

    dense: np.ndarray
    whole: np.ndarray
    cell: float

    def chance(self, name: str) -> float:
        """Probability in [0, 1] of a statement about the whole film, a name of GLOBAL."""
        return float(sigmoid(self.whole[GLOBAL.index(name)]))

    def layer(self, name: str) -> np.ndarray:
        """Probability in [0, 1] of a thing in each cell, float32 (h, w)."""
        return sigmoid(self.dense[DENSE.index(name)])

    def strongest(self, name: str, cells: int = 10) -> float:
        """Logit of a thing being there at all: the mean of its strongest cells."""
        logits = self.dense[DENSE.index(name)].ravel()
        return float(np.partition(logits, -cells)[-cells:].mean()) if len(logits) > cells else float(logits.mean())

    def box(self, name: str, level: float = 0.5) -> Box | None:
        """Box, in film pixels, of the strongest connected patch of a thing; ``None`` where nothing reaches
        ``level``."""
        layer = self.layer(name)
        _, labels, stats, _ = cv2.connectedComponentsWithStats((layer > level).astype(np.uint8), connectivity=8)
        peak = np.unravel_index(int(layer.argmax()), layer.shape)
        if layer[peak] <= level:
            return None
        x, y, w, h, _ = stats[labels[peak]]
        return tuple(float(v) * self.cell for v in (x, y, x + w, y + h))

    @cached_property
    def hand(self) -> np.ndarray:
        """bool (h, w): cells of the main hand, the largest patch."""
        return largest_patch(self.layer("hand") > 0.5)

    def direction(self, cells: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
        """Mean direction over cells: x, y and its length (1: all agree and are sure)."""
        w = weight[cells]
        if not w.sum() > 0:
            return 0.0, 0.0, 0.0
        x, y = (float((self.dense[k][cells] * w).sum() / w.sum()) for k in (6, 7))
        return x, y, float(np.hypot(x, y))

    @cached_property
    def fingers_deg(self) -> float | None:
        """Where the fingers of the main hand point, degrees clockwise from up in [0, 360); ``None`` without a hand."""
        if self.hand.sum() < MIN_HAND_CELLS:
            return None
        x, y, length = self.direction(self.hand, self.layer("hand"))
        return degrees(x, y) if length > 0.2 else None


MIN_HAND_CELLS = 25


def largest_patch(cells: np.ndarray) -> np.ndarray:
    """The largest connected patch of a bool array."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8), connectivity=8)
    if len(stats) < 2:
        return np.zeros_like(cells)
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def degrees(x: float, y: float) -> float:
    """Direction (x right, y down) as degrees clockwise from up in [0, 360)."""
    return float(np.degrees(np.arctan2(x, -y)) % 360)


def sigmoid(value):
    """Logistic function, safe for large arguments."""
    return 1 / (1 + np.exp(-np.clip(value, -40, 40)))


def _mean_forward(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = prepare(gray)
    outputs = [forward(load_weights(name)[0], x) for name in _networks.get()]
    return np.mean([o.dense for o in outputs], 0), np.mean([o.whole for o in outputs], 0)


def perceive(gray: np.ndarray) -> Perception:
    """Run the networks on a uint8 (h, w) film; one that looks inverted is turned back first."""
    dense, whole = _mean_forward(gray)
    if whole[0] > 0:
        inverted = whole[0]
        dense, whole = _mean_forward(255 - gray)
        whole[0] = inverted
    scale = SIDE / max(gray.shape)
    h, w = (max(1, -(-round(s * scale) // STRIDE)) for s in gray.shape)
    return Perception(dense[:, :h, :w], whole, STRIDE / scale)
