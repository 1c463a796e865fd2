"""From attenuation to grey levels: the beam, blur, scatter, the film's curve, quantisation, and quantum noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

_LEVELS = 4096
_TOP = 5.0
"""Optical depth at the top of the quantised range."""
_FLOOR = 0.35
_TOE = 0.22
"""Where the film's curve begins, below the depth of the open beam: the background keeps some slope, and its noise."""


@dataclass(frozen=True)
class Exposure:
    """How a film is taken and shown.

    Args:
        dose: relative number of quanta; over 1 blackens the film, under 1 leaves it pale and noisy.
        blur: standard deviation of the focal spot's and the detector's blur, px at a film of 1024.
        scatter: share of scattered radiation under the thickest part.
        heel: fall-off of the beam across the film, as a fraction, and its direction in degrees.
        halo, crisp: strength of the reader's edge enhancement, over some 5 mm and over 1 mm.
        black, white: grey levels of unattenuated beam and of full attenuation.
        gain: steepness of the film's curve.
        noise: standard deviation of quantum noise in the open beam, grey levels at dose 1.
        inverted: dark bone on white.
    """

    dose: float
    blur: float
    scatter: float
    heel: tuple[float, float]
    halo: float
    crisp: float
    black: float
    white: float
    gain: float
    noise: float
    inverted: bool = False


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """An ordinary film."""
    return Exposure(
        dose=float(np.exp(0.10 * np.clip(rng.standard_normal(), -2, 2))),
        blur=float(rng.uniform(0.34, 0.62)),
        scatter=float(rng.uniform(0.02, 0.06)),
        heel=(float(rng.uniform(0.04, 0.16)), float(rng.uniform(0.0, 360.0))),
        halo=float(rng.uniform(0.15, 0.5)),
        crisp=float(rng.uniform(0.1, 0.5)),
        black=float(rng.uniform(14.0, 34.0)),
        white=float(rng.uniform(236.0, 252.0)),
        gain=float(rng.uniform(0.84, 1.18)),
        noise=float(rng.uniform(0.5, 1.1)),
    )


def over_exposed(exposure: Exposure, stops: float) -> Exposure:
    """More dose by 2 ** stops."""
    return replace(exposure, dose=exposure.dose * 2.0**stops)


def develop(attenuation: np.ndarray, exposure: Exposure, rng: np.random.Generator) -> np.ndarray:
    """Make the film.

    Args:
        attenuation: (size, size) float64, optical depth along each ray.

    Returns:
        (size, size) uint8. Everything up to the quantisation to 4096 levels is float64; the noise is integer
        arithmetic on those levels, so a last-bit difference between processors does not spread.
    """
    size = attenuation.shape[0]
    px = size / 1024.0
    light = gaussian_filter(np.exp(-attenuation), exposure.blur * px, mode="nearest", truncate=3.0)
    light = (light + exposure.scatter * _scattered(light)) * _beam(size, exposure.heel)
    depth = -np.log(light)
    wide, near = _wide_mean(depth, 22.0 * px), _wide_mean(depth, 5.0 * px)
    depth += exposure.halo * (depth - wide) + exposure.crisp * (depth - near)
    depth += -0.35 * np.log(exposure.dose)
    levels = np.clip(np.rint((depth + _FLOOR) / (_TOP + _FLOOR) * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.int64)
    return _noisy(levels, exposure, rng)


def _beam(size: int, heel: tuple[float, float]) -> np.ndarray:
    amount, direction = heel
    at = (np.arange(size) + 0.5) / size - 0.5
    a = np.radians(direction)
    across = at[None, :] * np.cos(a) + at[:, None] * np.sin(a)
    centre = at[None, :] ** 2 + at[:, None] ** 2
    return np.exp(-amount * (across + 0.5 + 0.35 * centre))


def _scattered(light: np.ndarray) -> np.ndarray:
    return _wide_mean(light, 0.06 * light.shape[0])


def _wide_mean(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean over a wide window, worked out on a smaller picture."""
    size = image.shape[0]
    step = 8 if size % 8 == 0 and sigma >= 8 else 4 if size % 4 == 0 and sigma >= 4 else 1
    small = image.reshape(size // step, step, size // step, step).mean(axis=(1, 3))
    small = gaussian_filter(small, sigma / step, mode="nearest", truncate=3.0)
    if step == 1:
        return small
    return zoom(small, step, order=1, mode="nearest", grid_mode=True)


def _noisy(levels: np.ndarray, exposure: Exposure, rng: np.random.Generator) -> np.ndarray:
    """Grey levels from quantised depth: a table for the curve, a table for the noise, integers throughout."""
    depth = np.arange(_LEVELS) / (_LEVELS - 1) * (_TOP + _FLOOR) - _FLOOR
    curve = _film_curve(depth, exposure)
    # shot noise grows with depth as the square root of the quanta that are missing
    spread = exposure.noise * np.exp(0.5 * np.clip(depth, -1.0, 3.0)) / np.sqrt(exposure.dose)
    slope = np.gradient(curve, depth) / 60.0
    tone = np.rint(curve * 256.0).astype(np.int64)
    sigma = np.rint(np.clip(spread * np.maximum(slope, 0.25), 0.2, 12.0) * 256.0).astype(np.int64)
    value = tone[levels] + ((sigma[levels] * _grain(levels.shape, rng)) >> 8)
    gray = np.clip((value + 128) >> 8, 0, 255).astype(np.uint8)
    return 255 - gray if exposure.inverted else gray


def _film_curve(depth: np.ndarray, exposure: Exposure) -> np.ndarray:
    t = np.maximum(depth + _TOE, 0.0) * exposure.gain / 1.4
    rise = t**1.9
    return exposure.black + (exposure.white - exposure.black) * rise / (1.0 + rise)


def _grain(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Integers with mean 0 and standard deviation about 256, a little smoothed as a detector's noise is."""
    h, w = shape
    raw = rng.integers(0, 256, (3, h + 1, w + 1), dtype=np.uint8).astype(np.int64).sum(axis=0) - 383
    smooth = 2 * raw[:-1, :-1] + raw[1:, :-1] + raw[:-1, 1:]
    # three bytes: variance 3 * 65535 / 12; the weights 2, 1, 1 multiply it by 6
    return (smooth * 256) // 314
