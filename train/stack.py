"""The one door to the deep-learning stack: torchvision repaired first, then everything that imports it.

Modules of this package take ``lightning``, ``smp`` and ``timm`` from here and nowhere else; the order of the
imports in this file is the point of it.
"""

from __future__ import annotations

from curate.compat.torchvision_shim import import_torchvision

torchvision = import_torchvision()

import lightning  # noqa: E402
import segmentation_models_pytorch as smp  # noqa: E402
import timm  # noqa: E402

__all__ = ["lightning", "smp", "timm", "torchvision"]
