"""Grad-CAM: which parts of a film speak for a bone, by the gradients at a network's deepest features.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks", ICCV 2017; for segmentation the score is the sum
of the class's logits over a set of pixels, as in Vinogradova et al., "Towards interpretable semantic segmentation via
gradient-weighted class activation mapping", AAAI 2020. A few lines of our own: the library of that name brings a
second OpenCV with it, which breaks the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import torch

from curate.errors import UsageError
from train.models.zoo import Network, encoder_of


def grad_cams(
    network: Network, image: np.ndarray, wanted: Iterable[tuple[int, np.ndarray]], device: torch.device
) -> Iterator[np.ndarray]:
    """Maps of what speaks for some classes on one film; the film goes through the network once.

    Args:
        network: in evaluation mode, on the device. image: uint8 (h, w), at training size.
        wanted: class and the pixels whose logits are added up, bool (h, w); the whole film where none is set.

    Yields:
        float32 (h, w) in [0, 1], 1 where most speaks for the class; all 0 where nothing does.

    Raises:
        UsageError: the network has no encoder whose features could be asked.
    """
    held: list[torch.Tensor] = []
    try:
        encoder = encoder_of(network)
    except AttributeError:
        name = type(network.body).__name__
        raise UsageError("grad-cam", f"{name} has no encoder whose features could be asked") from None
    handle = encoder.register_forward_hook(lambda module, given, out: held.extend(_tensors(out)))
    try:
        with torch.enable_grad():
            # the input asks for gradients, so that they flow also through a network whose weights are frozen
            given = torch.from_numpy(np.array(image[None, None])).to(device).float().requires_grad_()
            logits = network(given)[0]
    finally:
        handle.remove()
    features = [t for t in held if t.ndim == 4 and t.requires_grad and t.shape[2] > 1 and t.shape[3] > 1]
    for bit, mask in wanted:
        layer = logits[bit]
        pixels = torch.from_numpy(np.ascontiguousarray(mask)).to(device)
        score = layer[pixels].sum() if mask.any() else layer.sum()
        gradients = torch.autograd.grad(score, features, retain_graph=True, allow_unused=True)
        used = [k for k, gradient in enumerate(gradients) if gradient is not None]
        if not used:
            raise UsageError("grad-cam", f"no features of {type(encoder).__name__} lead to the masks")
        deepest = min(used, key=lambda k: features[k].shape[2:].numel())
        yield _map(features[deepest], gradients[deepest], image.shape, network.stride)


def _map(feature: torch.Tensor, gradient: torch.Tensor, shape: tuple[int, int], multiple: int) -> np.ndarray:
    weights = gradient.mean((2, 3), keepdim=True)
    heat = (weights * feature).sum(1)[0].relu().detach().float().cpu().numpy()
    height, width = (side + -side % multiple for side in shape)  # the map covers the film as padded for the encoder
    full = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
    top = float(full.max(initial=0))
    return (full / top).astype(np.float32) if top > 0 else np.zeros(shape, np.float32)


def _tensors(out: Any) -> Iterator[torch.Tensor]:
    """Every tensor of what an encoder gives: a list, a dictionary or one."""
    if isinstance(out, torch.Tensor):
        yield out
    elif isinstance(out, dict):
        for value in out.values():
            yield from _tensors(value)
    elif isinstance(out, list | tuple):
        for value in out:
            yield from _tensors(value)
