"""Online augmentation: albumentations on the image and, by nearest neighbour, on the label planes.

A plane of 32 classes travels through a transform as four channels of bytes, which nearest neighbour moves whole: no
class can become another, and overlap is kept. Names of classes never change, so a flip mixes nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from curate.errors import UsageError

#: Augmentations by name; each entry is one transform of albumentations and its arguments.
PRESETS: dict[str, tuple[dict[str, dict[str, Any]], ...]] = {
    "none": (),
    "flip": ({"HorizontalFlip": {"p": 0.5}},),
    "light": (
        {"HorizontalFlip": {"p": 0.5}},
        {"Affine": {"rotate": [-10, 10], "scale": [0.9, 1.1], "translate_percent": [-0.05, 0.05], "p": 0.7}},
        {"RandomBrightnessContrast": {"brightness_limit": 0.15, "contrast_limit": 0.15, "p": 0.5}},
    ),
    "strong": (
        {"HorizontalFlip": {"p": 0.5}},
        {"Affine": {"rotate": [-30, 30], "scale": [0.8, 1.2], "shear": [-5, 5], "p": 0.8}},
        {"ElasticTransform": {"alpha": 40, "sigma": 8, "p": 0.2}},
        {"RandomBrightnessContrast": {"brightness_limit": 0.25, "contrast_limit": 0.25, "p": 0.5}},
        {"RandomGamma": {"gamma_limit": [70, 140], "p": 0.3}},
        {"CLAHE": {"clip_limit": [1, 3], "p": 0.2}},
        {"GaussNoise": {"std_range": [0.01, 0.05], "p": 0.2}},
        {"GaussianBlur": {"blur_limit": [3, 5], "p": 0.1}},
        {"CoarseDropout": {"num_holes_range": [1, 6], "hole_height_range": [0.03, 0.08],
                           "hole_width_range": [0.03, 0.08], "p": 0.2}},
    ),
    "turned": ({"HorizontalFlip": {"p": 0.5}}, {"Affine": {"rotate": [-180, 180], "p": 0.9}}),
}  # fmt: skip


def _albumentations() -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for news of itself otherwise
    import albumentations

    return albumentations


class OnlineAugmenter:
    """Moves an image and its planes alike, by a seed.

    Args:
        spec: the name of a preset, or a list of ``{transform: {arguments}}`` in their order.
        size: pixels, the side of the canvas, which every transform must keep.

    Raises:
        UsageError: no such preset or transform, arguments that it does not take, a transform that changes the size or
            that cannot move labels.
    """

    def __init__(self, spec: str | Sequence[Mapping[str, Any]], size: int):
        self.spec, self.size = spec, size
        self._compose = _compose(spec)
        self._try()

    def __reduce__(self) -> tuple:  # to loader processes goes what to build, not what was built
        return OnlineAugmenter, (self.spec, self.size)

    def __call__(self, image: np.ndarray, planes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Augment one sample.

        Args:
            image: uint8 (h, w). planes: unsigned (p, h, w). seed: the same seed moves alike.

        Returns:
            both, of the same shapes and types.
        """
        self._compose.set_random_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = self._compose(image=np.array(image), mask=as_bytes(planes))
        return out["image"], from_bytes(out["mask"], planes.dtype)

    def _try(self) -> None:
        image = np.random.default_rng(0).integers(0, 255, (self.size, self.size), dtype=np.uint8)
        planes = np.zeros((1, self.size, self.size), np.uint32)
        planes[0, self.size // 4 : self.size // 2, self.size // 4 :] = 0x80000101
        for seed in range(8):
            try:
                moved, labels = self(image, planes, seed)
            except (ValueError, TypeError, KeyError, NotImplementedError, cv2.error) as error:
                raise UsageError("augment", f"cannot be applied: {' '.join(str(error).split())[:150]}") from error
            if moved.shape != image.shape or moved.dtype != image.dtype or labels.shape != planes.shape:
                raise UsageError("augment", f"changes a film of {image.shape} to {moved.shape} {moved.dtype}")
            if not set(np.unique(labels)) <= {0, 0x80000101}:
                raise UsageError("augment", "a transform here blends labels; one that moves them whole is needed")


def as_bytes(planes: np.ndarray) -> np.ndarray:
    """Planes (p, h, w) as bytes (h, w, p * item size)."""
    last = np.ascontiguousarray(planes.transpose(1, 2, 0))
    return last.view(np.uint8).reshape(*last.shape[:2], -1)


def from_bytes(channels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The inverse of :func:`as_bytes`."""
    whole = np.ascontiguousarray(channels).view(dtype)
    return np.ascontiguousarray(whole.transpose(2, 0, 1))


def _compose(spec: str | Sequence[Mapping[str, Any]]) -> Any:
    library = _albumentations()
    if isinstance(spec, str):
        if spec not in PRESETS:
            raise UsageError("augment", f"{spec!r} is none of: {', '.join(PRESETS)}; or give a list")
        spec = PRESETS[spec]
    steps = []
    for entry in spec:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise UsageError("augment", f"{entry!r} is not of the form NAME: {{arguments}}")
        ((name, arguments),) = entry.items()
        kind = getattr(library, str(name), None)
        if not (isinstance(kind, type) and issubclass(kind, library.BasicTransform)):
            raise UsageError("augment", f"albumentations has no transform {name!r}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # it only warns of an argument that it does not know
                given = {k: tuple(v) if isinstance(v, list) else v for k, v in (arguments or {}).items()}
                steps.append(kind(**given))
        except (UserWarning, ValueError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:150]
            raise UsageError("augment", f"{name} does not take these arguments: {reason}") from error
    return library.Compose(steps)
