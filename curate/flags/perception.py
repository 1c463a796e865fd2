"""What the shared network makes of a film, in the film's own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from curate.flags.net import GESTALT, METAL, STRIDE, Kind, forward, load_weights, prepare
from curate.flags.result import Box


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
        return strongest(self.layers[name].values, cells)

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
        """bool (h, w): cells of the main hand, the largest patch; less sure than usual where nothing is surer."""
        for level in (0.5, 0.25, 0.1):
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
        if length < 0.1 and self.whole["not-a-hand"] < 0:  # a hand too faint or too cut off for a patch: its arm helps
            weight = self.layer("hand") + 0.5 * self.layer("forearm")
            x, y, length = self.direction(weight > 0.3 * weight.max(), weight)
        return degrees(x, y) if length > 0.1 else None


MIN_HAND_CELLS = 12
"""Cells under which a patch is no hand."""


def strongest(logits: np.ndarray, cells: int = 8) -> float:
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


def _mean(kind: Kind, name: str, gray: np.ndarray, turns: int = 1) -> tuple[dict[str, Layer], np.ndarray]:
    """Mean answer of the networks of a kind, and of the film turned by quarter turns; layers in the film's own
    frame."""
    scale = kind.side / max(gray.shape)
    dense, whole = [], []
    for turn in range(turns):
        view = np.rot90(gray, turn)
        h, w = (max(1, -(-round(s * scale) // STRIDE)) for s in view.shape)
        x = prepare(np.ascontiguousarray(view), kind.side)
        out = forward(load_weights(f"{name}.npz")[0], x)
        dense.append(_turned_back(out.dense[:, :h, :w], kind, turn))
        whole.append(out.whole)
    mean = np.mean(dense, 0)
    return {n: Layer(mean[k], STRIDE / scale) for k, n in enumerate(kind.dense)}, np.mean(whole, 0)


def _turned_back(dense: np.ndarray, kind: Kind, turn: int) -> np.ndarray:
    """Maps of a film turned by ``np.rot90(film, turn)``, as maps of the film."""
    back = np.rot90(dense, -turn, axes=(1, 2)).copy()
    if "direction-x" in kind.dense:
        at = [kind.dense.index(f"direction-{k}") for k in "xy"]
        for _ in range(turn):  # a quarter turn takes (x, y) to (y, -x)
            back[at] = np.stack([-back[at[1]], back[at[0]]])
    return back


TURNS = 4
"""Quarter turns in which the small network sees the film: what it says does not hang on how the film lies."""


def _darkness(gray: np.ndarray) -> float:
    """Log ratio of the shares of dark and of bright pixels; changes sign, nearly, with the film's negative."""
    return float(np.log(((gray < 50).mean() + 0.01) / ((gray > 205).mean() + 0.01)))


DOUBT = -4.5
"""Logit of "inverted" above which the film's negative is looked at as well."""


def perceive(gray: np.ndarray) -> Perception:
    """Run the networks on a uint8 (h, w) film, the right way up.

    Where the network is not quite sure which way that is, it sees the negative too; what it says of both, and on
    which of them it sees the clearer hand, decide.
    """
    layers, whole = _mean(GESTALT, "gestalt", gray, TURNS)
    inverted = float(whole[0])
    if inverted > DOUBT:
        other, other_whole = _mean(GESTALT, "gestalt", 255 - gray, TURNS)
        clearer = strongest(other["hand"].values) - strongest(layers["hand"].values)
        inverted = (inverted - float(other_whole[0])) / 2 + clearer - 0.6 * _darkness(gray)
        if inverted > 0:
            gray, layers, whole = 255 - gray, other, other_whole
    layers.update(_mean(METAL, "metal", gray)[0])
    said = {n: float(v) for n, v in zip(GESTALT.whole, whole, strict=True)}
    return Perception(layers, {**said, "inverted": inverted})
