"""Reading ncnn's two files of a network: the graph (.param, text) and its weights (.bin).

Source: ncnn, ``docs/developer-guide/param-and-model-file-structure.md`` and ``src/modelbin.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from augment.superres.errors import WeightsError

MAGIC = "7767517"
HALF = 0x01306B47
SINGLE = (0x00000000, 0x0002C056)
ARRAY = -23300
"""A parameter with key -23300 - k is an array, ``count,value,...``, for parameter k."""

Value = float | tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """One operation of the graph.

    Attributes:
        kind: ncnn's name of the operation. inputs, outputs: names of blobs.
        params: numbered as ncnn does; arrays as tuples.
        weights: float32 arrays in file order: kernel and bias of a convolution, slopes of a PReLU.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[int, Value]
    weights: tuple[np.ndarray, ...] = ()


def read_ncnn(param: bytes, weights: bytes, path: str) -> list[Layer]:
    """The layers of a network, in the order of the file, with their weights.

    Args:
        param, weights: the bytes of the two files.
        path: named in errors.

    Raises:
        WeightsError: not these formats, an operation with weights that is not known here, too few or too many bytes.
    """
    graph = _graph(param, path)
    data = memoryview(weights)
    at = 0
    layers = []
    for layer in graph:
        arrays: list[np.ndarray] = []
        for count, tagged in _wanted(layer, path):
            kind = "<f4"
            if tagged:
                if at + 4 > len(data):
                    raise WeightsError(path, f"ends before the weights of {layer.name}")
                flag = int.from_bytes(data[at : at + 4], "little")
                at += 4
                if flag == HALF:
                    kind = "<f2"
                elif flag not in SINGLE:
                    raise WeightsError(path, f"stores {layer.name} in a form not known here ({flag:#010x})")
            size = count * int(kind[2])
            if at + size > len(data):
                raise WeightsError(path, f"ends before the weights of {layer.name}")
            arrays.append(np.frombuffer(data, kind, count, at).astype(np.float32))
            at += -(-size // 4) * 4
        layers.append(Layer(layer.kind, layer.name, layer.inputs, layer.outputs, layer.params, tuple(arrays)))
    if at != len(data):
        raise WeightsError(path, f"has {len(data)} bytes where its graph accounts for {at}")
    return layers


def _wanted(layer: Layer, path: str) -> list[tuple[int, bool]]:
    """(count, whether a tag of the storage form comes first) of each array that a layer reads."""
    counts: list[tuple[float, bool]] = []
    if layer.kind == "Convolution":
        counts.append((layer.params.get(6, 0), True))
        if layer.params.get(5, 0):
            counts.append((layer.params.get(0, 0), False))
    elif layer.kind == "PReLU":
        counts.append((layer.params.get(0, 0), False))
    elif layer.kind not in ("Input", "Split", "Concat", "PixelShuffle", "Interp", "BinaryOp", "Eltwise"):
        raise WeightsError(path, f"has an operation that is not known here: {layer.kind}")
    if not all(isinstance(c, int) and 0 < c <= 1 << 28 for c, _ in counts):
        raise WeightsError(path, f"states no possible size of the weights of {layer.name}")
    return [(int(c), tagged) for c, tagged in counts]


def _graph(param: bytes, path: str) -> list[Layer]:
    try:
        lines = [line.split() for line in param.decode("ascii").splitlines() if line.strip()]
        if lines[0] != [MAGIC]:
            raise ValueError("no magic number")
        layers = [_layer(words) for words in lines[2:]]
        if len(layers) != int(lines[1][0]):
            raise ValueError(f"{len(layers)} layers where {lines[1][0]} are announced")
    except (ValueError, IndexError) as error:  # UnicodeDecodeError is a ValueError
        raise WeightsError(path, f"is no ncnn graph: {error}") from None
    return layers


def _layer(words: list[str]) -> Layer:
    kind, name, n_inputs, n_outputs = words[0], words[1], int(words[2]), int(words[3])
    names = words[4 : 4 + n_inputs + n_outputs]
    if min(n_inputs, n_outputs) < 0 or len(names) != n_inputs + n_outputs:
        raise ValueError(f"layer {name} is cut short")
    params: dict[int, Value] = {}
    for word in words[4 + n_inputs + n_outputs :]:
        key, value = word.split("=", 1)
        if int(key) <= ARRAY:
            count, *rest = value.split(",")
            if len(rest) != int(count):
                raise ValueError(f"layer {name} has an array of another length than it says")
            params[ARRAY - int(key)] = tuple(float(v) for v in rest)
        else:
            params[int(key)] = float(value) if any(c in value for c in ".e") else int(value)
    return Layer(kind, name, tuple(names[:n_inputs]), tuple(names[n_inputs:]), params)
