"""The small network that the detectors share, run in numpy: no deep-learning library is needed to flag films.

A fully convolutional encoder with lateral sums, trained by ``python -m benchmarks.flags.learn``; weights are plain
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

DENSE = ("jewellery", "implant", "cast", "nail-art", "hand", "forearm", "direction-x", "direction-y")
GLOBAL = ("inverted", "not-a-hand", "multiple-views", "bent")
STRIDE = 4
"""Pixels of the network's input per cell of its output."""

SIDE = 384
"""Longer side of the picture that the network sees."""


@dataclass(frozen=True)
class Output:
    """dense: float32 (len(DENSE), h, w), logits but for the last two; whole: float32 (len(GLOBAL),) logits."""

    dense: np.ndarray
    whole: np.ndarray


def prepare(gray: np.ndarray, side: int = SIDE) -> np.ndarray:
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
    """Run the network on the output of ``prepare``; x (side, side, 2) with side a multiple of 32."""
    h, w, _ = x.shape
    t = x.reshape(h // 2, 2, w // 2, 2, 2).transpose(0, 2, 4, 1, 3).reshape(h // 2, w // 2, 8)
    levels = []
    for k in range(5):
        t = _conv3(t, weights[f"down{k}.0.w"], weights[f"down{k}.0.b"], 1 if k == 0 else 2)
        t = _conv3(t, weights[f"down{k}.1.w"], weights[f"down{k}.1.b"])
        levels.append(t)
    pooled = np.concatenate(
        [levels[4].mean((0, 1)), levels[4].max((0, 1)), levels[3].mean((0, 1)), levels[3].max((0, 1))]
    )
    hidden = np.maximum(pooled @ weights["whole.0.w"] + weights["whole.0.b"], 0)
    whole = hidden @ weights["whole.1.w"] + weights["whole.1.b"]
    p = levels[4] @ weights["side4.w"] + weights["side4.b"]
    for k in (3, 2, 1):
        p = levels[k] @ weights[f"side{k}.w"] + weights[f"side{k}.b"] + _double(p)
    p = _conv3(p, weights["head.w"], weights["head.b"])
    dense = p @ weights["out.w"] + weights["out.b"]
    return Output(dense.transpose(2, 0, 1), whole)


@lru_cache(maxsize=8)
def load_weights(name: str) -> tuple[dict[str, np.ndarray], dict]:
    """Weights as float32 arrays and the note written beside them (training data, half, date-free settings)."""
    source = resources.files("curate.flags").joinpath("weights", name)
    if not source.is_file():
        raise CarpusError(
            name, "the network's weights are missing from curate/flags/weights; install the package again"
        )
    with source.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        note = json.loads(str(stored["note"])) if "note" in stored else {}
        return {k: stored[k].astype(np.float32) for k in stored.files if k != "note"}, note
