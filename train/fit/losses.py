"""Losses over logits and targets (b, classes, h, w), summed term by term as the configuration names them.

Targets may be soft (mixup). Every term is computed in float32, has its minimum where the probability equals the
target (Tversky's for hard targets), and weighs classes alike: a Pisiform counts as much as a Radius.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from curate.errors import UsageError
from train.config import Config

_SMOOTH = 1.0  # pixels: keeps the overlap terms of a class that is nowhere in the batch finite and small


def bce(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of each class: (classes,)."""
    return binary_cross_entropy_with_logits(logits, target, reduction="none").mean((0, 2, 3))


def focal(logits: torch.Tensor, target: torch.Tensor, gamma: float) -> torch.Tensor:
    """Focal loss of each class: (classes,); |target - p| ** gamma weighs each pixel's cross-entropy.

    Lin et al., "Focal loss for dense object detection", 2017, in the form for soft targets of Li et al., "Generalized
    focal loss", 2020; equal to the first where targets are 0 or 1.
    """
    away = (target - logits.sigmoid()).abs()
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (away**gamma * entropy).mean((0, 2, 3))


def dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice of each class over the batch: (classes,).

    With squares in the denominator (Milletari et al., "V-Net", 2016), so that a soft target is its own optimum.
    """
    p = logits.sigmoid()
    overlap = (p * target).sum((0, 2, 3))
    size = (p * p).sum((0, 2, 3)) + (target * target).sum((0, 2, 3))
    return 1 - (2 * overlap + _SMOOTH) / (size + _SMOOTH)


def tversky(logits: torch.Tensor, target: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    """1 - Tversky index of each class over the batch: (classes,).

    Salehi et al., "Tversky loss function", 2017: alpha weighs what was invented, beta what was missed.
    """
    p = logits.sigmoid()
    overlap = (p * target).sum((0, 2, 3))
    invented, missed = (p * (1 - target)).sum((0, 2, 3)), ((1 - p) * target).sum((0, 2, 3))
    return 1 - (overlap + _SMOOTH) / (overlap + alpha * invented + beta * missed + _SMOOTH)


class Loss(nn.Module):
    """The loss of a configuration: logits and targets (b, classes, h, w) to one number.

    Raises:
        UsageError: a class weight that is no weight, or for a class that is not in the list.
    """

    def __init__(self, config: Config, classes: Sequence[str]):
        super().__init__()
        for name, weight in config.class_weights.items():
            if name not in classes:
                raise UsageError("class_weights", f"{name!r} is none of: {', '.join(classes)}")
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight >= 0:
                raise UsageError("class_weights", f"{name}: {weight!r} is no weight")
        weights = torch.tensor([float(config.class_weights.get(name, 1.0)) for name in classes])
        if not weights.sum() > 0:
            raise UsageError("class_weights", "every class weighs 0")
        self.register_buffer("weights", weights / weights.mean(), persistent=False)
        self.terms = config.loss.split("+")
        self.factors = [float(f) for f in config.loss_weights] or [1.0] * len(self.terms)
        self.gamma, self.alpha, self.beta = config.focal_gamma, config.tversky_alpha, config.tversky_beta

    def per_class(self, term: str, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """One term, class by class: (classes,)."""
        if term == "bce":
            return bce(logits, target)
        if term == "dice":
            return dice(logits, target)
        if term == "focal":
            return focal(logits, target, self.gamma)
        return tversky(logits, target, self.alpha, self.beta)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The weighted sum of the terms."""
        x = logits.float()
        terms = zip(self.factors, self.terms, strict=True)
        parts = [factor * (self.per_class(name, x, target) * self.weights).mean() for factor, name in terms]
        return torch.stack(parts).sum()
