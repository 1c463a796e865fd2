"""What the shared networks make of a film, in the film's own pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from curate.flags.arrays import load_weights
from curate.flags.heads import CELLS, WHOLE, Features, Said, features, prepare, say
from curate.flags.result import Box


@dataclass(frozen=True, eq=False)
class Perception:
    """The heads' mean answer for one film.

    Attributes:
        layers: name (of ``heads.CELLS``) -> float32 (h, w): logits, or a direction's component.
        cell: film pixels per cell, across and down.
        whole: name (of ``heads.WHOLE``) -> logit; "inverted" is of the film as it is, the others of it the right
        way up.
        corner: film pixel (x, y) where the first cell begins: what was put round a film is not looked at.
    """

    layers: dict[str, np.ndarray]
    cell: tuple[float, float]
    whole: dict[str, float]
    corner: tuple[int, int] = (0, 0)

    def chance(self, name: str) -> float:
        """Probability in [0, 1] of a statement about the whole film."""
        return float(sigmoid(self.whole[name]))

    def layer(self, name: str) -> np.ndarray:
        """Probability in [0, 1] of a thing in each cell, float32 (h, w)."""
        return sigmoid(self.layers[name])

    def strongest(self, name: str) -> float:
        """Logit of a thing being there at all: the mean of its strongest cells."""
        return strongest(self.layers[name])

    def logit(self, name: str) -> float:
        """What speaks for a flag: its strongest cells where it is a thing, else what is said of the whole film; for
        "not-a-hand" both, less what speaks for a hand in the cells that look most like one."""
        if name == "not-a-hand":
            return self.whole[name] - strongest(self.layers["hand"], HAND_CELLS)
        return self.whole[name] if name in self.whole else self.strongest(name)

    def box(self, name: str, below: float) -> Box | None:
        """Box, in film pixels, of the connected patch round the strongest cell of a thing: what is at most ``below``
        logits weaker."""
        layer = self.layers[name]
        peak = np.unravel_index(int(layer.argmax()), layer.shape)
        near = (layer >= layer[peak] - below).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
        x, y, w, h, _ = stats[labels[peak]]
        return self.in_pixels(x, y, x + w, y + h)

    def in_pixels(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """A box given in cells."""
        (x, y), (wide, high) = self.corner, self.cell
        return x + x0 * wide, y + y0 * high, x + x1 * wide, y + y1 * high

    @cached_property
    def hand(self) -> np.ndarray:
        """bool (h, w): cells of the main hand, the largest patch; less sure than usual where nothing is surer."""
        for level in (0.5, 0.25, 0.1):
            patch = largest_patch(self.layer("hand") > level)
            if patch.sum() >= MIN_HAND_CELLS:
                return patch
        return np.zeros_like(patch)

    def direction(self, cells: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
        """Mean direction over cells, in film pixels: x, y and its length (1: all agree and are sure)."""
        w = weight[cells]
        if not w.sum() > 0:
            return 0.0, 0.0, 0.0
        x, y = (float((self.layers[f"direction-{k}"][cells] * w).sum() / w.sum()) for k in "xy")
        return x, y, float(np.hypot(x, y))

    @cached_property
    def fingers_deg(self) -> float | None:
        """Where the fingers of the main hand point, degrees clockwise from up in [0, 360); ``None`` without a hand."""
        x, y, length = self.direction(self.hand, self.layer("hand"))
        if length < 0.1 and self.whole["not-a-hand"] < 0:  # a hand too faint or too cut off for a patch: its arm helps
            weight = self.layer("hand") + 0.5 * self.layer("forearm")
            x, y, length = self.direction(weight > 0.3 * weight.max(), weight)
        return degrees(x, y) if length > 0.05 else None


MIN_HAND_CELLS = 16
"""Cells under which a patch is no hand."""

HAND_CELLS = 60
"""Cells whose mean says whether a hand is there: about what a small one covers."""

STRONGEST = 4
"""Cells whose mean says whether a thing is there at all."""


def strongest(logits: np.ndarray, cells: int = STRONGEST) -> float:
    """Mean of the largest ``cells`` values of a map."""
    flat = logits.ravel()
    return float(np.partition(flat, -cells)[-cells:].mean()) if len(flat) > cells else float(flat.mean())


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


TURNS = 4
"""Quarter turns in which a film is seen: what is said of it does not hang on how it lies."""

DOUBT = -9.0
"""Logit of "inverted" above which the film's negative is looked at as well: one film in seven, and all negatives."""


def turned(gray: np.ndarray, turn: int) -> Features:
    """What the heads see of a film after so many quarter turns."""
    return features(prepare(np.ascontiguousarray(np.rot90(gray, turn))))


def turned_back(dense: np.ndarray, turn: int) -> np.ndarray:
    """Maps of a film turned by ``np.rot90(film, turn)``, as maps of the film."""
    back = np.rot90(dense, -turn, axes=(1, 2)).copy()
    at = [CELLS.index(f"direction-{k}") for k in "xy"]
    for _ in range(turn):  # a quarter turn takes (x, y) to (y, -x)
        back[at] = np.stack([-back[at[1]], back[at[0]]])
    return back


def joined(
    size: tuple[int, int], said: list[Said], inverted: float, corner: tuple[int, int] = (0, 0)
) -> Perception:
    """The mean of what was said of a film of ``size`` (h, w) in its quarter turns, in their order."""
    dense = np.mean([turned_back(s.dense, turn) for turn, s in enumerate(said)], 0)
    whole = {n: float(v) for n, v in zip(WHOLE, np.mean([s.whole for s in said], 0), strict=True)}
    cell = size[1] / dense.shape[2], size[0] / dense.shape[1]
    return Perception(dict(zip(CELLS, dense, strict=True)), cell, {**whole, "inverted": inverted}, corner)


def perceive(
    gray: np.ndarray, weights: Mapping[str, np.ndarray] | None = None, corner: tuple[int, int] = (0, 0)
) -> Perception:
    """Look at a uint8 (h, w) film, or the part of one that begins at pixel ``corner``, in its quarter turns, the right
    way up.

    Where the head is not quite sure which way up that is, it sees the negative too, and what it says of both decides.
    """
    weights = load_weights("heads.npz")[0] if weights is None else weights
    first = say(weights, turned(gray, 0))
    inverted = float(first.whole[0])
    if inverted > DOUBT:
        other = say(weights, turned(255 - gray, 0))
        inverted = (inverted - float(other.whole[0])) / 2
        if inverted > 0:
            gray, first = 255 - gray, other
    said = [first, *(say(weights, turned(gray, turn)) for turn in range(1, TURNS))]
    return joined(gray.shape, said, inverted, corner)
