"""Label planes on the device: one integer a pixel travels, one float a class is made where it is used."""

from __future__ import annotations

import numpy as np
import torch


def to_tensor(planes: np.ndarray) -> torch.Tensor:
    """Unsigned planes as a signed tensor of the same bits, because torch shifts no unsigned ones.

    Args:
        planes: uint32 or uint64, any shape.

    Returns:
        int32 or int64, same shape, sharing memory.
    """
    return torch.from_numpy(planes.view(np.int32 if planes.dtype.itemsize == 4 else np.int64))


def expand(planes: torch.Tensor, weights: torch.Tensor | None, n_classes: int) -> torch.Tensor:
    """Targets from planes: the weighted sum of each sample's planes, bit by bit.

    Args:
        planes: int32 or int64 (b, p, h, w).
        weights: float (b, p), 0 for planes that only fill up the batch; ``None``: one plane each, of weight 1.
        n_classes: bits to expand.

    Returns:
        float32 (b, n_classes, h, w) in [0, 1].
    """
    bits = torch.arange(n_classes, device=planes.device, dtype=planes.dtype).view(1, -1, 1, 1)
    if weights is None:
        return ((planes[:, 0, None] >> bits) & 1).float()
    total = torch.zeros(1, device=planes.device)
    for k in range(planes.shape[1]):
        total = total + ((planes[:, k, None] >> bits) & 1) * weights[:, k].view(-1, 1, 1, 1)
    return total.clamp(max=1)
