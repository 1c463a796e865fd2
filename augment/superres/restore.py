"""A film through a network: enlarged, blended with bicubic, made consistent with the film, and back to 8 or 16 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from augment.superres.resample import back_project, enlarge, resize_area, shrink
from augment.superres.tiling import run_tiles
from curate.errors import UsageError


class Enlarger(Protocol):
    """What is needed of a network; ``augment.superres.network.Network`` is one."""

    scale: int
    halo: int
    batch: int

    def __call__(self, tiles: np.ndarray, margin: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Settings:
    """How a film is restored.

    Attributes:
        scale: the network's picture is taken at this many times the film's size: 2, 3 or 4.
        enlarge: keep that size; otherwise the result is shrunk back to the film's own.
        strength: share of the network, 0 to 1; the rest is bicubic.
        rounds: of back-projection; 0 leaves the network's grey levels as they are.
        tile: edge of the tiles, film pixels.
        half: half precision where there is a GPU.
        engine: who runs the network, ``spandrel`` or ``realesrgan`` (that package's own inference, 8 bits).
    """

    scale: int = 2
    enlarge: bool = False
    strength: float = 0.5
    rounds: int = 10
    tile: int = 256
    half: bool = False
    engine: str = "spandrel"

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise UsageError("--scale", f"{self.scale} is none of 2, 3, 4")
        if not 0 <= self.strength <= 1:
            raise UsageError("--strength", f"{self.strength} is not in [0, 1]")
        if not 0 <= self.rounds <= 100:
            raise UsageError("--rounds", f"{self.rounds} is not in [0, 100]")
        if not 16 <= self.tile <= 4096:
            raise UsageError("--tile", f"{self.tile} is not in [16, 4096]")
        if self.engine not in ("spandrel", "realesrgan"):
            raise UsageError("--engine", f"{self.engine!r} is neither spandrel nor realesrgan")

    @property
    def factor(self) -> int:
        """Output pixels per film pixel."""
        return self.scale if self.enlarge else 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        return cls(**{k: data[k] for k in cls.__dataclass_fields__ if k in data})


def network_picture(film: np.ndarray, network: Enlarger, settings: Settings) -> np.ndarray:
    """What the network alone makes of a film: float32 grey levels (h * factor, w * factor).

    Args:
        film: float32 (h, w), 0 to 255.
    """
    if network.scale < settings.scale:
        raise UsageError("--scale", f"this network enlarges by {network.scale}, not by {settings.scale}")
    height, width = film.shape
    factor = settings.factor
    out = np.empty((height * factor, width * factor), np.float32)
    unit = film / np.float32(255)
    for tile, result in run_tiles(unit, network, settings.tile, network.halo, network.batch):
        part = out[tile.y * factor : (tile.y + tile.height) * factor, tile.x * factor : (tile.x + tile.width) * factor]
        fitted = resize_area(result, (tile.width * settings.scale, tile.height * settings.scale))
        if not settings.enlarge:
            fitted = shrink(fitted, settings.scale)
        np.multiply(fitted[: part.shape[0], : part.shape[1]], np.float32(255), out=part)
    return out


def bicubic_picture(film: np.ndarray, settings: Settings) -> np.ndarray:
    """The same by bicubic interpolation: enlarged, or enlarged and shrunk back."""
    big = enlarge(film, settings.scale)
    return big if settings.enlarge else shrink(big, settings.scale)[: film.shape[0], : film.shape[1]]


def combine(film: np.ndarray, invented: np.ndarray, settings: Settings) -> np.ndarray:
    """Blend the network's picture with bicubic, then make it consistent with the film.

    A film of its own size is consistent when its means over blocks of scale x scale pixels are the film's; an
    enlarged one, when its means over such blocks are the film's pixels.

    Args:
        invented: what ``network_picture`` gave; changed in place.

    Returns:
        float32 of the same shape, 0 to 255.
    """
    plain = bicubic_picture(film, settings)
    invented -= plain
    invented *= np.float32(settings.strength)
    invented += plain
    del plain
    return back_project(invented, coarse(film, settings), settings.scale, settings.rounds)


def coarse(film: np.ndarray, settings: Settings) -> np.ndarray:
    """What a consistent result must shrink to."""
    return film if settings.enlarge else shrink(film, settings.scale)


def restore(gray: np.ndarray, network: Enlarger, settings: Settings) -> np.ndarray:
    """A film through a network.

    Args:
        gray: uint8 (h, w); or uint16, which keeps its depth: networks compute in real numbers, and though they
            were trained on 8 bits, back-projection holds their result to the film's full depth.

    Returns:
        the same type, (h * factor, w * factor).
    """
    peak = 255 if gray.dtype == np.uint8 else (1 << max(int(gray.max(initial=0)).bit_length(), 8)) - 1
    film = gray.astype(np.float32) * np.float32(255 / peak)
    result = combine(film, network_picture(film, network, settings), settings)
    if peak != 255:
        result *= np.float32(peak / 255)
    return np.rint(result, out=result).astype(gray.dtype)
