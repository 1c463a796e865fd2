"""What the shared network makes of a film, in the film's own pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from curate.flags.net import GESTALT, METAL, STRIDE, Kind, forward, load_weights, prepare
from curate.flags.result import Box

HALVES = (0, 1)
"""Each network was trained twice, on one half of the marked studies each; their mean is used on new films."""

_halves: ContextVar[tuple[int, ...]] = ContextVar("halves", default=HALVES)


@contextmanager
def only_half(half: int) -> Iterator[None]:
    """Use the networks trained on this half alone: how a film that the others were trained on is judged."""
    token = _halves.set((half,))
    try:
        yield
    finally:
        _halves.reset(token)


@dataclass(frozen=True)
class Layer:
    """One map: float32 (h, w), logits or a direction's component; ``cell``: film pixels per cell."""

    values: np.ndarray
    cell: float


@dataclass(frozen=True, eq=False)
class Perception:
    """The networks' mean answer for one film.

    Attributes:
        layers: name (of ``GESTALT.dense`` and ``METAL.dense``) -> map.
        whole: name (of ``GESTALT.whole``) -> logit; "inverted" is of the film as it is, the others of it the right
        way up.
    """

    layers: dict[str, Layer]
    whole: dict[str, float]

    def chance(self, name: str) -> float:
        """Probability in [0, 1] of a statement about the whole film."""
        return float(sigmoid(self.whole[name]))

    def layer(self, name: str) -> np.ndarray:
        """Probability in [0, 1] of a thing in each cell, float32 (h, w)."""
        return sigmoid(self.layers[name].values)

    def strongest(self, name: str, cells: int = 8) -> float:
        """Logit of a thing being there at all: the mean of its strongest cells."""
        logits = self.layers[name].values.ravel()
        return float(np.partition(logits, -cells)[-cells:].mean()) if len(logits) > cells else float(logits.mean())

    def box(self, name: str, level: float = 0.5) -> Box | None:
        """Box, in film pixels, of the strongest connected patch of a thing; ``None`` where nothing reaches
        ``level``."""
        layer, cell = self.layer(name), self.layers[name].cell
        _, labels, stats, _ = cv2.connectedComponentsWithStats((layer > level).astype(np.uint8), connectivity=8)
        peak = np.unravel_index(int(layer.argmax()), layer.shape)
        if layer[peak] <= level:
            return None
        x, y, w, h, _ = stats[labels[peak]]
        return tuple(float(v) * cell for v in (x, y, x + w, y + h))

    @cached_property
    def hand(self) -> np.ndarray:
        """bool (h, w): cells of the main hand, the largest patch; half as sure as usual where nothing is surer."""
        for level in (0.5, 0.25):
            patch = largest_patch(self.layer("hand") > level)
            if patch.sum() >= MIN_HAND_CELLS:
                return patch
        return np.zeros_like(patch)

    def direction(self, cells: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
        """Mean direction over cells: x, y and its length (1: all agree and are sure)."""
        w = weight[cells]
        if not w.sum() > 0:
            return 0.0, 0.0, 0.0
        x, y = (float((self.layers[f"direction-{k}"].values[cells] * w).sum() / w.sum()) for k in "xy")
        return x, y, float(np.hypot(x, y))

    @cached_property
    def fingers_deg(self) -> float | None:
        """Where the fingers of the main hand point, degrees clockwise from up in [0, 360); ``None`` without a hand."""
        x, y, length = self.direction(self.hand, self.layer("hand"))
        return degrees(x, y) if length > 0.1 else None


MIN_HAND_CELLS = 12
"""Cells under which a patch is no hand."""


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


def _mean(kind: Kind, gray: np.ndarray) -> tuple[dict[str, Layer], np.ndarray]:
    x = prepare(gray, kind.side)
    name = "gestalt" if kind is GESTALT else "metal"
    outputs = [forward(load_weights(f"{name}{half}.npz")[0], x) for half in _halves.get()]
    scale = kind.side / max(gray.shape)
    h, w = (max(1, -(-round(s * scale) // STRIDE)) for s in gray.shape)
    dense = np.mean([o.dense for o in outputs], 0)[:, :h, :w]
    layers = {n: Layer(dense[k], STRIDE / scale) for k, n in enumerate(kind.dense)}
    return layers, np.mean([o.whole for o in outputs], 0)


def perceive(gray: np.ndarray) -> Perception:
    """Run the networks on a uint8 (h, w) film; one that looks inverted is turned back first."""
    layers, whole = _mean(GESTALT, gray)
    inverted = float(whole[0])
    if inverted > 0:
        gray = 255 - gray
        layers, whole = _mean(GESTALT, gray)
    layers.update(_mean(METAL, gray)[0])
    said = {n: float(v) for n, v in zip(GESTALT.whole, whole, strict=True)}
    return Perception(layers, {**said, "inverted": inverted})
