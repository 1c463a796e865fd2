"""A network with its weights, ready to enlarge tiles, on the device that is here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from augment.superres.errors import WeightsError
from augment.superres.weights import State, Weights, read_state
from curate.errors import CarpusError

MAX_FEATURES = 512
MAX_LAYERS = 2000
GPU_BATCH = 8
LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue, ITU-R BT.601: what OpenCV, and so the realesrgan package, makes grey with."""
TAIL = 4
"""Pixels about a tile that an RRDBNet's enlarging layers are given: they see two."""


class Network:
    """Enlarges grey tiles; the same numbers on any number of threads, because it uses one.

    Attributes:
        scale: output pixels per input pixel.
        halo: input pixels about a tile that its result depends on, near enough (see docs/superres.md).
        batch: tiles to hand over at a time.
        device: ``cpu`` or ``cuda``. half: whether it computes in half precision (on a GPU only).
    """

    def __init__(self, state: State, path: str, half: bool = False):
        _needs()
        import torch

        model = _build(state, path)
        self.scale, self.channels = model.scale, model.input_channels
        self.architecture = model.architecture.id
        self.halo = _halo(model)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.half = half and self.device == "cuda"
        self.batch = GPU_BATCH if self.device == "cuda" else 1
        kind = torch.float16 if self.half else torch.float32
        self._model = model.model.eval().to(self.device, kind, memory_format=torch.channels_last)

    def __call__(self, tiles: np.ndarray, margin: int = 0) -> np.ndarray:
        """Enlarge tiles.

        Args:
            tiles: float32 (n, h, w), 0 to 1; n at most ``batch``.
            margin: pixels on each side that the network sees and nobody wants back; a multiple of 4.

        Returns:
            float32 (n, (h - 2 margin) * scale, (w - 2 margin) * scale): the luminance of the network's colours,
            clipped to 0 to 1 as Real-ESRGAN's own inference does, rounded to 1/256 of a grey level of 255, so that
            last-bit differences between processors go no further.

        Raises:
            CarpusError: out of memory.
        """
        import torch

        try:
            with alone(), torch.inference_mode():
                grey = torch.from_numpy(np.ascontiguousarray(tiles))[:, None]
                kind = torch.float16 if self.half else torch.float32
                x = grey.expand(-1, self.channels, -1, -1).to(self.device, kind)
                result = self._enlarged(x.contiguous(memory_format=torch.channels_last), margin).float().clamp_(0, 1)
                shares = LUMINANCE if result.shape[1] == 3 else (1.0,)
                luminance = sum(result[:, k] * share for k, share in enumerate(shares))
                return (torch.round(luminance * (255 * 256)) / (255 * 256)).cpu().numpy()
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                shape = f"{tiles.shape[0]} tiles of {tiles.shape[2]} x {tiles.shape[1]}"
                raise CarpusError(self.device, f"out of memory with {shape} pixels; take a smaller --tile") from None
            raise

    def _enlarged(self, x: Any, margin: int) -> Any:
        """Colour pictures, margins cut off: an RRDBNet's before its large last layers, which see 2 pixels at most."""
        import torch

        if self.architecture == "Compact":
            cut = margin * self.scale
            result = self._model(x)
            return result[..., cut : result.shape[-2] - cut, cut : result.shape[-1] - cut]
        fold, layers = self._model.shuffle_factor or 1, self._model.model
        if fold > 1:
            x = torch.pixel_unshuffle(x, fold)
        features = layers[:2](x)
        kept = min(margin // fold, TAIL)
        cut = margin // fold - kept
        features = features[..., cut : features.shape[-2] - cut, cut : features.shape[-1] - cut]
        result = layers[2:](features)
        cut = kept * fold * self.scale
        return result[..., cut : result.shape[-2] - cut, cut : result.shape[-1] - cut]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within: one thread and deterministic kernels: how sums are split decides their last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(before)


def network_of(weights: Weights, half: bool = False) -> Network:
    """The network of some weights.

    Raises:
        WeightsError: they are of no network known here.
        CarpusError: torch or spandrel is not installed.
    """
    return Network(read_state(weights), str(weights.path), half)


def _needs() -> None:
    try:
        from curate.compat.torchvision_shim import import_torchvision

        import_torchvision()  # spandrel imports it
        import spandrel  # noqa: F401
    except ImportError as error:
        missing = error.name or "torch"
        raise CarpusError(missing, "is not installed; super-resolution needs pip install 'carpus[superres]'") from None


def _build(state: State, path: str) -> Any:
    """A spandrel model of one of Real-ESRGAN's two architectures, every parameter used and every one filled."""
    import torch
    from spandrel.architectures.Compact import CompactArch
    from spandrel.architectures.ESRGAN import ESRGANArch

    numbers = [int(n) for key in state for n in re.findall(r"(?<=\.)\d{1,18}(?=\.)", key)]
    widths = [v.shape[0] for v in state.values() if v.ndim]
    if not state or max(numbers, default=0) > MAX_LAYERS or max(widths, default=0) > MAX_FEATURES:
        raise WeightsError(path, "is no network known here (SRVGGNetCompact or RRDBNet)")
    tensors = {k: torch.from_numpy(v) for k, v in state.items()}
    for architecture in (CompactArch(), ESRGANArch()):
        if not architecture.detect(tensors):
            continue
        try:
            model = architecture.load(dict(tensors))
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            about = next((s for s in str(error).splitlines()[1:] if s.strip()), str(error)).strip()
            raise WeightsError(path, f"does not fit {architecture.name}: {about[:200]}") from None
        held = sum(p.numel() for p in model.model.parameters())
        if held != sum(v.size for v in state.values()):
            raise WeightsError(path, f"does not fit {architecture.name}: it holds parameters that have no place there")
        if model.input_channels not in (1, 3) or model.scale < 2:
            raise WeightsError(
                path, f"enlarges {model.input_channels} channels by {model.scale}; needed: grey or colour, by 2 or more"
            )
        return model
    raise WeightsError(path, "is no network known here (SRVGGNetCompact or RRDBNet)")


def _halo(model: Any) -> int:
    """How far a tile must see, pixels.

    A chain of 3 x 3 convolutions sees exactly one pixel further with each. Dense blocks see hundreds of pixels, most of
    them with next to no weight: measured on films, beyond these margins nothing moves by a grey level.
    """
    if model.architecture.id == "Compact":
        return sum(p.ndim == 4 for p in model.model.parameters())
    blocks = len({k.split(".")[3] for k in model.model.state_dict() if ".RDB1." in k})
    return (64 if blocks <= 8 else 96) * (model.model.shuffle_factor or 1)
