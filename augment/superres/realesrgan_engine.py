"""The ``realesrgan`` package's own inference behind the interface of our network, for those who want it.

The package (0.3.0) cannot be imported beside a torchvision of today: ``basicsr``, on which it rests, takes one function
from ``torchvision.transforms.functional_tensor``, a module that torchvision 0.17 removed. The function lives on in
``torchvision.transforms.functional``; ``import_realesrgan`` puts it where it is looked for.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np

from augment.superres.errors import WeightsError
from augment.superres.network import Network, alone
from augment.superres.weights import State, Weights, read_state
from curate.errors import CarpusError

GONE = "torchvision.transforms.functional_tensor"


def import_realesrgan() -> ModuleType:
    """Import the package, its lost module replaced.

    Raises:
        CarpusError: it is not installed.
    """
    from curate.compat.torchvision_shim import import_torchvision

    import_torchvision()
    if GONE not in sys.modules:
        from torchvision.transforms import functional

        stand_in = ModuleType(GONE, "What basicsr takes from a module that torchvision no longer has.")
        stand_in.rgb_to_grayscale = functional.rgb_to_grayscale
        sys.modules[GONE] = stand_in
    try:
        import realesrgan
    except ImportError as error:
        raise CarpusError(
            error.name or "realesrgan", "is not installed; --engine realesrgan needs it (see docs/superres.md)"
        ) from None
    return realesrgan


class PackageNetwork:
    """Tiles through ``RealESRGANer.enhance``: 8 bits in, 8 bits out, clipped; otherwise as ``Network``.

    Attributes: as of ``Network``.
    """

    batch = 1

    def __init__(self, weights: Weights, half: bool = False):
        package = import_realesrgan()
        own = Network(read_state(weights), str(weights.path), half)  # checks the weights, and knows their margins
        self.scale, self.halo, self.device, self.half = own.scale, own.halo, own.device, own.half
        del own
        state = read_state(weights)
        import torch

        with tempfile.TemporaryDirectory() as folder:  # the package reads weights from a file only
            path = Path(folder) / "weights.pth"
            torch.save({"params": {k: torch.from_numpy(v) for k, v in state.items()}}, path)
            model = _model(state, self.scale, str(weights.path))
            self._upsampler = package.RealESRGANer(
                self.scale, str(path), model=model, tile=0, pre_pad=0, half=self.half, device=self.device
            )

    def __call__(self, tiles: np.ndarray, margin: int = 0) -> np.ndarray:
        """Enlarge tiles of 8-bit films; arguments and result as of ``Network``."""
        cut = margin * self.scale
        with alone():
            pictures = [self._upsampler.enhance(np.rint(tile * 255).astype(np.uint8))[0] for tile in tiles]
        return np.stack([p[cut : p.shape[0] - cut, cut : p.shape[1] - cut] for p in pictures]).astype(np.float32) / 255


def _model(state: State, scale: int, path: str):
    """The package's own network for a state with Real-ESRGAN's own names."""
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from realesrgan.archs.srvgg_arch import SRVGGNetCompact

    numbered = sorted(int(k.split(".")[1]) for k in state if k.startswith("body."))
    if "conv_first.weight" in state and numbered:
        return RRDBNet(3, 3, scale, state["conv_first.weight"].shape[0], numbered[-1] + 1)
    if "body.0.weight" in state:
        return SRVGGNetCompact(3, 3, state["body.0.weight"].shape[0], (numbered[-1] - 2) // 2, scale)
    raise WeightsError(path, "names its parameters in a way that the realesrgan package does not know")
