"""Changes of pixels that a recipe names, replayed from their parameters and the recipe's seed.

A name is looked up among the filters registered here first, then among albumentations' pixel-only transforms.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from curate.errors import RecipeError
from curate.sample.recipe import Filter

PixelFilter = Callable[[np.ndarray, Mapping[str, Any], int], np.ndarray]
"""(uint8 (h, w), parameters, seed) -> uint8 (h * scale, w * scale); one that keeps depth also takes and gives uint16"""

SHORT_NAMES = {
    "clahe": "CLAHE",
    "sharpen": "Sharpen",
    "emboss": "Emboss",
    "gamma": "RandomGamma",
    "brightness-contrast": "RandomBrightnessContrast",
    "blur": "GaussianBlur",
    "noise": "GaussNoise",
    "jpeg": "ImageCompression",
}
"""The filters that the field uses, by their everyday names."""

MOVING = {
    "GlassBlur": "it shuffles pixels",
    "Superpixels": "it redraws outlines along its cells",
    "ZoomBlur": "it smears away from the middle",
}
"""albumentations counts these among its pixel-only transforms, but outlines move under them, and labels would stay."""

STILL: dict[str, dict[str, Any]] = {
    "Downscale": {"interpolation_pair": {"downscale": 3, "upscale": 1}},  # areas, linear; its own: nearest, 1.9 px
    "Emboss": {"alpha": [0.1, 0.25], "strength": [0.2, 0.5]},  # its own moves edges by 1.4 px, away from its light
    "MotionBlur": {"allow_shifted": False},  # its own moves edges by 1.6 px
}
"""Parameters of plans that give none: those of albumentations' own move edges by more than a pixel."""

_REGISTERED: dict[str, PixelFilter] = {}
_DEEP: set[str] = set()


def register(name: str, function: PixelFilter, deep: bool = False) -> None:
    """Make a filter known under the name that recipes use; ``deep`` if it keeps the depth of 16-bit films."""
    _REGISTERED[name] = function
    if deep:
        _DEEP.add(name)


def keeps_depth(name: str) -> bool:
    """Whether a filter takes 16-bit films and gives 16 bits back."""
    return name in _DEEP


def apply_filter(step: Filter, gray: np.ndarray, seed: int) -> np.ndarray:
    """Run one filter of a recipe.

    Args:
        gray: uint8 array of shape (height, width); or uint16, for a filter that keeps depth.
        seed: of the recipe and the filter's place in it; the only source of its randomness.

    Raises:
        RecipeError: unknown name, bad parameters, or a result that is not the promised picture.
    """
    function = _REGISTERED.get(step.name)
    result = function(gray, step.params, seed) if function is not None else _albumented(step, gray, seed)
    expected = (round(gray.shape[0] * step.scale), round(gray.shape[1] * step.scale))
    if result.dtype != gray.dtype or result.shape != expected:
        promised = f"{gray.dtype} {expected}"
        raise RecipeError(step.name, f"gave {result.dtype} {result.shape} where {promised} was promised")
    return result


def filter_name(name: str) -> str:
    """The name that a recipe uses for a filter: itself, or albumentations' for a short or differently cased one.

    Raises:
        RecipeError: there is none; names those that come near.
    """
    if name in _REGISTERED:
        return name
    known = _transforms()
    by_lower = {k.lower(): k for k in known} | SHORT_NAMES
    found = by_lower.get(name.lower())
    if found is None:
        near = get_close_matches(name.lower(), by_lower, 3) or sorted(SHORT_NAMES)
        raise RecipeError(name, f"is no filter known here; near: {', '.join(by_lower[k] for k in near)}")
    return found


def check_filter(step: Filter) -> None:
    """Try a filter on a small grey picture.

    Raises:
        RecipeError: it is unknown, refuses its parameters, or would move pixels.
    """
    if step.name in MOVING:
        raise RecipeError(step.name, f"would move outlines ({MOVING[step.name]}), and labels stay where they are")
    if step.name == "MotionBlur" and step.params.get("allow_shifted"):
        raise RecipeError(step.name, "would move outlines with allow_shifted, and labels stay where they are")
    gray = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    apply_filter(step, gray, 0)


@lru_cache(maxsize=1)
def _transforms() -> dict[str, type]:
    """albumentations' pixel-only transforms by name; imported here because it takes a second."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version
    import albumentations
    from albumentations.core.transforms_interface import ImageOnlyTransform

    members = inspect.getmembers(albumentations, inspect.isclass)
    return {name: kind for name, kind in members if issubclass(kind, ImageOnlyTransform)}


@lru_cache(maxsize=64)
def _transform(name: str, params: bytes) -> Any:
    """A transform that always applies, with the parameters given as canonical JSON."""
    kinds = _transforms()
    if name not in kinds:
        raise RecipeError(name, "is no filter known here")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in orjson.loads(params).items()}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            transform = kinds[name](**({"p": 1.0} | values))
        except (TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
            raise RecipeError(name, f"doesn't take these parameters: {_short(error)}") from None
    unknown = [w for w in told if "not valid" in str(w.message)]
    if unknown:
        raise RecipeError(name, f"doesn't take these parameters: {_short(unknown[0].message)}")
    return transform


def _short(fault: Exception) -> str:
    """The message of an error of several lines, as one."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip() and "errors.pydantic.dev" not in line]
    return "; ".join(lines[:4])


def _albumented(step: Filter, gray: np.ndarray, seed: int) -> np.ndarray:
    transform = _transform(step.name, orjson.dumps(dict(step.params), option=orjson.OPT_SORT_KEYS))
    transform.set_random_seed(seed & 0xFFFFFFFF)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as: the image is already grey
            return np.ascontiguousarray(transform(image=gray)["image"])
    except (KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise RecipeError(step.name, f"cannot be applied to a grey film: {_short(error)}") from None
