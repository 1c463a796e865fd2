"""The trunk that the learned detectors share: EfficientNet-Lite0 as far as its sixth stage, run by OpenCV alone.

Weights learnt on ImageNet (Tan & Le 2019; the Lite variant's Apache-2.0 release), batch normalisation folded in, one
grey channel for three, half precision; ``python -m benchmarks.flags.trunk`` writes them. OpenCV reads networks as ONNX:
the few messages of that format that a chain of convolutions needs are written here, in memory, so that no deep-learning
library is needed to flag films.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np

from curate.flags.arrays import load_weights

TAPS = ("s4", "s8", "s16", "s32")
"""Maps handed out, by pixels of the picture per cell: 24, 40, 112 and 192 channels."""

STAGES = ((1, 3, 1, ""), (2, 3, 2, "s4"), (2, 5, 2, "s8"), (3, 3, 2, ""), (3, 5, 1, "s16"), (4, 5, 2, "s32"))
"""Blocks, side of their kernels, stride of the first, and the tap after the last."""

_FLOAT, _INT, _INTS = 1, 2, 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    if isinstance(value, float):
        body = _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, _FLOAT)
    elif isinstance(value, int):
        body = _number(3, value) + _number(20, _INT)
    else:
        body = b"".join(_number(8, v) for v in value) + _number(20, _INTS)
    return _bytes(5, _bytes(1, name) + body)


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: int | float | Sequence[int]) -> bytes:
    names = b"".join(_bytes(1, i) for i in inputs) + _bytes(2, output) + _bytes(3, output)
    return _bytes(1, names + _bytes(4, kind) + b"".join(_attribute(k, v) for k, v in attributes.items()))


def _tensor(name: str, value: np.ndarray) -> bytes:
    dims = b"".join(_number(1, d) for d in value.shape)
    return _bytes(5, dims + _number(2, _FLOAT) + _bytes(8, name) + _bytes(9, value.astype("<f4").tobytes()))


def _value(field: int, name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, d) if d else _bytes(2, "any")) for d in shape)
    return _bytes(field, _bytes(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, dims))))


class _Graph:
    """An ONNX graph in the making: convolutions named as their weights are."""

    def __init__(self, weights: Mapping[str, np.ndarray]):
        self.weights, self.parts = weights, []

    def conv(self, name: str, source: str, stride: int = 1, relu: bool = True) -> str:
        """Convolution with the padding of TensorFlow's SAME for even sizes, then ReLU6."""
        weight = self.weights[f"{name}.w"]
        side = weight.shape[2]
        before = (side - stride) // 2
        pads = [before, before, side - stride - before, side - stride - before] if side > 1 else [0, 0, 0, 0]
        group = len(weight) if weight.shape[1] == 1 and len(weight) > 1 and source != "x" else 1
        self.parts += [_tensor(f"{name}.w", weight), _tensor(f"{name}.b", self.weights[f"{name}.b"])]
        self.parts.append(
            _node("Conv", (source, f"{name}.w", f"{name}.b"), name, kernel_shape=[side, side], strides=[stride, stride],
                  pads=pads, group=group)
        )  # fmt: skip
        if not relu:
            return name
        self.parts.append(_node("Clip", (name,), f"{name}.r", min=0.0, max=6.0))
        return f"{name}.r"

    def model(self, outputs: Sequence[tuple[str, int]]) -> bytes:
        ends = b"".join(_value(12, name, (1, channels, 0, 0)) for name, channels in outputs)
        graph = b"".join(self.parts) + _bytes(2, "trunk") + _value(11, "x", (1, 1, 0, 0)) + ends
        return _number(1, 4) + _bytes(7, graph) + _bytes(8, _number(2, 9))


def as_onnx(weights: Mapping[str, np.ndarray]) -> bytes:
    """The trunk as an ONNX model: input "x" (1, 1, h, w) in [-1, 1], h and w multiples of 32; outputs ``TAPS``."""
    graph, taps, number = _Graph(weights), [], 0
    t = graph.conv("stem", "x", 2)
    for blocks, _, first, tap in STAGES:
        for k in range(blocks):
            source, stride = t, first if k == 0 else 1
            if f"{number}.expand.w" in weights:
                t = graph.conv(f"{number}.expand", t)
            t = graph.conv(f"{number}.depth", t, stride)
            t = graph.conv(f"{number}.project", t, relu=False)
            name = tap if tap and k == blocks - 1 else f"{number}.sum"
            if k:
                graph.parts.append(_node("Add", (source, t), name))
                t = name
            number += 1
        if tap:
            taps.append((t, weights[f"{number - 1}.project.w"].shape[0]))
    return graph.model(taps)


@lru_cache(maxsize=1)
def _network() -> cv2.dnn.Net:
    return cv2.dnn.readNetFromONNX(np.frombuffer(as_onnx(load_weights("trunk.npz")[0]), np.uint8))


def see(picture: np.ndarray) -> dict[str, np.ndarray]:
    """The trunk's maps of a uint8 (h, w) picture, both multiples of 32: tap -> float32 (channels, h / s, w / s)."""
    network = _network()
    network.setInput(picture.astype(np.float32)[None, None] * np.float32(1 / 127.5) - 1)
    return {name: out[0] for name, out in zip(TAPS, network.forward(list(TAPS)), strict=True)}
