"""The two small networks that the detectors share, run in numpy: no deep-learning library is needed to flag films.

Fully convolutional encoders with lateral sums, trained by ``python -m benchmarks.flags.learn``; weights are plain
arrays in
``weights/*.npz`` (read without pickle). Batch normalisation is folded into the convolutions when the weights are
written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import cv2
import numpy as np

from curate.errors import CarpusError

STRIDE = 4
"""Pixels of a network's input per cell of its output."""


@dataclass(frozen=True)
class Kind:
    """One of the two networks: what it sees and what it says.

    Attributes:
        side: longer side of the picture that it sees, in pixels. widths: channels of its levels, each half the
        size of the last.
        dense: what it says of each cell. whole: what it says of the film as a whole.
    """

    side: int
    widths: tuple[int, ...]
    dense: tuple[str, ...]
    whole: tuple[str, ...] = ()


GESTALT = Kind(
    128,
    (12, 24, 48, 72, 96),
    ("hand", "forearm", "cast", "direction-x", "direction-y"),
    ("inverted", "not-a-hand", "multiple-views", "bent"),
)
"""Sees the film small: what is on it, and which way it points."""

METAL = Kind(448, (12, 24, 40, 56), ("jewellery", "implant", "nail-art", "marker"))
"""Sees the film sharp: what shines on it."""


@dataclass(frozen=True)
class Output:
    """dense: float32 (cells of ``Kind.dense``, h, w), logits but for directions; whole: float32, logits, may be
    empty."""

    dense: np.ndarray
    whole: np.ndarray


def prepare(gray: np.ndarray, side: int) -> np.ndarray:
    """A gray uint8 (h, w) picture as the network's input: float32 (side, side, 2) in [0, 1], the picture in the
    upper left.

    Channel 0 holds the grey values, channel 1 the same after histogram equalisation, which undoes any monotone
    grey scale.
    """
    scale = side / max(gray.shape)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    out = np.zeros((side, side, 2), np.float32)
    out[: size[1], : size[0], 0] = small * np.float32(1 / 255)
    out[: size[1], : size[0], 1] = cv2.equalizeHist(small) * np.float32(1 / 255)
    return out


def _conv3(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int = 1) -> np.ndarray:
    """3x3 convolution with padding 1, then ReLU; x (h, w, i), weight (9, i, o)."""
    h, w = x.shape[0] // stride, x.shape[1] // stride
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    out = np.broadcast_to(bias, (h * w, len(bias))).copy()
    for k in range(9):
        dy, dx = divmod(k, 3)
        part = padded[dy : dy + stride * h : stride, dx : dx + stride * w : stride]
        out += part.reshape(h * w, -1) @ weight[k]
    return np.maximum(out, 0, out=out).reshape(h, w, -1)


def _double(x: np.ndarray) -> np.ndarray:
    return x.repeat(2, 0).repeat(2, 1)


def forward(weights: Mapping[str, np.ndarray], x: np.ndarray) -> Output:
    """Run a network on the output of ``prepare``; x (side, side, 2) with side a multiple of 32."""
    h, w, _ = x.shape
    t = x.reshape(h // 2, 2, w // 2, 2, 2).transpose(0, 2, 4, 1, 3).reshape(h // 2, w // 2, 8)
    levels = []
    while f"down{len(levels)}.0.w" in weights:
        k = len(levels)
        t = _conv3(t, weights[f"down{k}.0.w"], weights[f"down{k}.0.b"], 1 if k == 0 else 2)
        t = _conv3(t, weights[f"down{k}.1.w"], weights[f"down{k}.1.b"])
        levels.append(t)
    p = 0.0
    for k in range(len(levels) - 1, 0, -1):
        p = levels[k] @ weights[f"side{k}.w"] + weights[f"side{k}.b"] + (_double(p) if k < len(levels) - 1 else 0.0)
    p = _conv3(p, weights["head.w"], weights["head.b"])
    dense = p @ weights["out.w"] + weights["out.b"]
    whole = np.zeros(0, np.float32)
    if "whole.0.w" in weights:
        pooled = np.concatenate([f(level, (0, 1)) for level in levels[:-3:-1] for f in (np.mean, np.max)])
        hidden = np.maximum(pooled @ weights["whole.0.w"] + weights["whole.0.b"], 0)
        whole = hidden @ weights["whole.1.w"] + weights["whole.1.b"]
    return Output(dense.transpose(2, 0, 1), whole)


@lru_cache(maxsize=8)
def load_weights(name: str) -> tuple[dict[str, np.ndarray], dict]:
    """Stored arrays, half precision made single, and the note written beside them (training data, half, date-free
    settings)."""
    source = resources.files("curate.flags").joinpath("weights", name)
    if not source.is_file():
        raise CarpusError(
            name, "the network's weights are missing from curate/flags/weights; install the package again"
        )
    with source.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        note = json.loads(str(stored["note"])) if "note" in stored else {}
        arrays = {k: stored[k] for k in stored.files if k not in ("note", "names")}
        return {k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in arrays.items()}, note
