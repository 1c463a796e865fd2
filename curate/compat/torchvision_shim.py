"""Makes ``import torchvision`` work beside a torch that it was not built for.

The wheel of torchvision is built for CUDA. Beside a CPU build of torch its C++ extension does not load, and then
its own Python code, which registers shapes for operators that the extension would have defined, fails at import
(``operator torchvision::nms does not exist``). We use none of these operators, but Lightning (through
torchmetrics), timm and segmentation-models-pytorch all import torchvision. So: define the missing operators by
their schema alone, without a kernel, and import again. Calling one still fails, and says that it has no kernel.
"""

from __future__ import annotations

import re
import sys
from types import ModuleType

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_SCHEMAS = {"nms": _BOXES, "qnms": _BOXES}
_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")


def _purge(package: str, known: frozenset[str]) -> None:
    """Forget the modules that a failed import left half made."""
    for name in [name for name in sys.modules if name.split(".")[0] == package and name not in known]:
        del sys.modules[name]


def import_torchvision() -> ModuleType:
    """Import torchvision, defining the operators that its import misses.

    Returns:
        the module.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: its import fails in another way than by a missing operator that is known here.
    """
    import torch

    for _ in range(len(_SCHEMAS) + 1):
        before = frozenset(sys.modules)
        try:
            import torchvision
        except RuntimeError as error:
            missing = _MISSING.search(str(error))
            if missing is None or missing[1] not in _SCHEMAS:
                raise
            _purge("torchvision", before)
            torch.library.define(f"torchvision::{missing[1]}", _SCHEMAS[missing[1]])
        else:
            return torchvision
    raise RuntimeError("torchvision still misses an operator that has just been defined")
