"""From an ncnn graph to the state of Real-ESRGAN's own networks, strictly: every layer must be where it belongs.

The graph is walked in step with the network that it must be; each operation's kind, inputs and parameters are
compared, so that nothing that computes something else can pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augment.superres.errors import WeightsError
from augment.superres.ncnn_format import Layer, Value

State = dict[str, np.ndarray]


class _Walk:
    """The layers one by one, names resolved through the copies (``Split``) that ncnn makes."""

    def __init__(self, layers: Sequence[Layer], path: str):
        self.path = path
        self.alias: dict[str, str] = {}
        self.layers: list[Layer] = []
        for layer in layers:
            if layer.kind == "Split":
                self.alias |= dict.fromkeys(layer.outputs, self.resolve(layer.inputs[0]))
            else:
                self.layers.append(layer)
        self.at = 0
        self.state: State = {}

    def resolve(self, name: str) -> str:
        return self.alias.get(name, name)

    def peek(self) -> str:
        return self.layers[self.at].kind if self.at < len(self.layers) else "its end"

    def take(self, kind: str, inputs: Sequence[str], **params: Value) -> Layer:
        """The next layer, which must be this one; parameters not named must be absent."""
        if self.at >= len(self.layers):
            raise WeightsError(self.path, f"is not the network expected: it ends where {kind} should follow")
        layer = self.layers[self.at]
        self.at += 1
        wanted = {int(k[1:]): v for k, v in params.items()}
        found = (layer.kind, [self.resolve(i) for i in layer.inputs], len(layer.outputs), dict(layer.params))
        if not _same(found, (kind, list(inputs), 1, wanted)):
            raise WeightsError(self.path, f"is not the network expected: {layer.kind} {layer.name} is not its {kind}")
        return layer

    def conv(self, key: str, source: str, n_in: int, n_out: int, slope: float | None = None) -> str:
        """A 3 x 3 convolution with bias, and a leaky ReLU when ``slope`` is given."""
        more: dict[str, Value] = {} if slope is None else {"_9": 2, "_10": (slope,)}
        layer = self.take("Convolution", [source], _0=n_out, _1=3, _4=1, _5=1, _6=n_in * n_out * 9, **more)
        self.state[f"{key}.weight"] = layer.weights[0].reshape(n_out, n_in, 3, 3)
        self.state[f"{key}.bias"] = layer.weights[1]
        return layer.outputs[0]

    def finish(self, output: str) -> State:
        if self.at != len(self.layers) or output != self.layers[-1].outputs[0]:
            raise WeightsError(self.path, f"is not the network expected: it goes on with {self.peek()}")
        return self.state


def _same(found: tuple, wanted: tuple) -> bool:
    """Equal but for the last digit of a float written as text."""
    numbers, others = dict(found[3]), dict(wanted[3])
    if found[:3] != wanted[:3] or numbers.keys() != others.keys():
        return False
    return all(np.shape(numbers[k]) == np.shape(v) and np.allclose(numbers[k], v) for k, v in others.items())


def convert_ncnn(layers: Sequence[Layer], path: str) -> State:
    """The state of an SRVGGNetCompact or an RRDBNet under Real-ESRGAN's own names, from its ncnn graph.

    Source: Wang et al., Real-ESRGAN, arXiv:2107.10833; the networks as the ``basicsr`` and ``realesrgan`` packages
    define them.

    Raises:
        WeightsError: the graph is neither.
    """
    walk = _Walk(layers, path)
    image = walk.take("Input", []).outputs[0]
    return _compact(walk, image) if any(layer.kind == "PReLU" for layer in walk.layers) else _rrdb(walk, image)


def _compact(walk: _Walk, image: str) -> State:
    """Convolutions and PReLUs in a row, pixel shuffle, plus the input enlarged by nearest neighbour."""
    features = int(_first(walk, "Convolution"))
    x, n_in, index = image, 3, 0
    while walk.layers[min(walk.at + 1, len(walk.layers) - 1)].kind == "PReLU":
        x = walk.conv(f"body.{index}", x, n_in, features)
        layer = walk.take("PReLU", [x], _0=features)
        walk.state[f"body.{index + 1}.weight"] = layer.weights[0]
        x, n_in, index = layer.outputs[0], features, index + 2
    out = int(_first(walk, "Convolution"))
    scale = round((out / 3) ** 0.5)
    x = walk.conv(f"body.{index}", x, features, out)
    x = walk.take("PixelShuffle", [x], _0=scale).outputs[0]
    base = walk.take("Interp", [image], _0=1, _1=float(scale), _2=float(scale)).outputs[0]
    return walk.finish(_sum(walk, x, base))


def _sum(walk: _Walk, a: str, b: str) -> str:
    return walk.take("BinaryOp", [a, b]).outputs[0]


def _first(walk: _Walk, kind: str) -> Value:
    """Output channels that the next layer states."""
    layer = walk.layers[walk.at] if walk.at < len(walk.layers) else None
    if layer is None or layer.kind != kind:
        raise WeightsError(walk.path, f"is not the network expected: {walk.peek()} stands where {kind} should")
    return layer.params.get(0, 0)


def _rrdb(walk: _Walk, image: str, grow: int = 32, slope: float = 0.2) -> State:
    """Residual-in-residual dense blocks, then twice enlarged by nearest neighbour and convolved."""
    features = int(_first(walk, "Convolution"))
    first = x = walk.conv("conv_first", image, 3, features)
    blocks = (len([layer for layer in walk.layers if layer.kind == "Convolution"]) - 6) // 15
    for block in range(blocks):
        entry = x
        for dense in (1, 2, 3):
            start, parts = x, [x]
            for k in range(1, 6):
                joined = parts[0] if k == 1 else walk.take("Concat", parts).outputs[0]
                key, n_in = f"body.{block}.rdb{dense}.conv{k}", features + (k - 1) * grow
                last = k == 5
                parts.append(walk.conv(key, joined, n_in, features if last else grow, None if last else slope))
            x = walk.take("Eltwise", [parts[-1], start], _0=1, _1=(0.2, 1.0)).outputs[0]
        x = walk.take("Eltwise", [x, entry], _0=1, _1=(0.2, 1.0)).outputs[0]
    x = _sum(walk, first, walk.conv("conv_body", x, features, features))
    for key in ("conv_up1", "conv_up2"):
        x = walk.take("Interp", [x], _0=1, _1=2.0, _2=2.0).outputs[0]
        x = walk.conv(key, x, features, features, slope)
    x = walk.conv("conv_hr", x, features, features, slope)
    return walk.finish(walk.conv("conv_last", x, features, 3))
