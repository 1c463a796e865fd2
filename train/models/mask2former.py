"""Mask2Former from the library ``transformers``, for one grey channel: masks and their classes as a set of queries.

Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022. It has a loss of its own,
over a matching of queries with bones, and that is what it is trained with here (``loss: set``); overlapping bones are
its home ground, for every query has a mask of its own. Its Swin encoder begins at random or from a file.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate

from curate.errors import UsageError
from train.config import Config

#: Swin as in its paper (Liu et al., 2021): channels, blocks and heads of the four stages.
ENCODERS = {
    "swin-tiny": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin-small": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin-base": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
}
_LOGITS = ("masks_queries_logits", "class_queries_logits")
_LEAST = 1e-4  # probability: keeps the logits of empty places finite


class Mask2Former(nn.Module):
    """The network as the rest of the package sees one: float (B, 1, H, W) to logits (B, classes, H, W).

    Args:
        model: ``Mask2FormerForUniversalSegmentation``.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    @property
    def encoder(self) -> nn.Module:
        """The part that may have first weights."""
        return self.model.model.pixel_level_module.encoder

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits by the paper's semantic inference: a class is where the queries that mean it are.

        The sum over queries of class probability times mask probability, as a logit; at most certainty.
        """
        found = self.model(pixel_values=image)
        with _in_full(image):  # in half precision the limit below would be 1, and its logit infinite
            classes = found.class_queries_logits.float().softmax(-1)[..., :-1]
            masks = found.masks_queries_logits.float().sigmoid()
            added = torch.einsum("bqc,bqhw->bchw", classes, masks)
            # queries that agree add up to more than 1; Grad-CAM still asks what they saw, so the limit passes gradients
            p = added + (added.clamp(_LEAST, 1 - _LEAST) - added).detach()
            return interpolate(p.logit(), image.shape[-2:], mode="bilinear", align_corners=False)

    def set_loss(self, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The network's own loss; matching and sums in float32, whatever the precision, as in the paper's code.

        Args:
            image: float (B, 1, H, W). target: float (B, classes, H, W) in [0, 1].
        """
        held = [sample.amax((1, 2)) > 0 for sample in target]
        masks = [sample[there] for sample, there in zip(target, held, strict=True)]
        classes = [there.nonzero().flatten() for there in held]
        found = self.model(pixel_values=image, output_auxiliary_logits=True)
        last = {name: getattr(found, name).float() for name in _LOGITS}
        others = [{name: layer[name].float() for name in _LOGITS} for layer in found.auxiliary_logits]
        with _in_full(image):
            parts = self.model.get_loss_dict(
                **last, mask_labels=masks, class_labels=classes, auxiliary_predictions=others
            )
            return self.model.get_loss(parts).squeeze()


def _in_full(image: torch.Tensor) -> AbstractContextManager:
    """Arithmetic in float32 on the device of ``image``, also where a run is trained in half precision."""
    kind = image.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def build_mask2former(config: Config, n_classes: int) -> Mask2Former:
    """The network with random weights.

    ``config.model`` takes arguments of transformers' ``Mask2FormerConfig``, and under ``backbone`` of ``SwinConfig``.

    Raises:
        UsageError: transformers is not installed, an unknown encoder, arguments that it does not take.
    """
    if config.encoder not in ENCODERS:
        raise UsageError("encoder", f"mask2former takes {', '.join(ENCODERS)}, not {config.encoder!r}")
    try:
        from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig
    except ImportError:
        raise UsageError("architecture", "mask2former needs transformers: pip install 'carpus[transformers]'") from None
    channels, blocks, heads = ENCODERS[config.encoder]
    given: dict[str, Any] = dict(config.model)
    swin = {"embed_dim": channels, "depths": list(blocks), "num_heads": list(heads), "drop_path_rate": 0.3}
    swin |= given.pop("backbone", {})
    stages = [f"stage{k + 1}" for k in range(len(swin["depths"]))]
    try:
        backbone = SwinConfig(num_channels=1, out_features=stages, **swin)
        whole = Mask2FormerConfig(backbone_config=backbone, num_labels=n_classes, **given)
        return Mask2Former(Mask2FormerForUniversalSegmentation(whole))
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
        raise UsageError("model", f"mask2former cannot be built: {' '.join(str(error).split())[:200]}") from error
