"""Films as another machine, another screen or another copy would show them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.flags import metal

Rng = np.random.Generator

LONG = 900
"""Pixels of the longer side at which grain and compression of ``OTHERS`` are put on a film; smaller ones stay so."""


def clahe(gray: np.ndarray, limit: float) -> np.ndarray:
    """uint8 picture, its contrast equalised in eight by eight parts."""
    return cv2.createCLAHE(limit, (8, 8)).apply(gray)


def compressed(gray: np.ndarray, quality: int) -> np.ndarray:
    """uint8 picture after a JPEG of that quality."""
    return cv2.imdecode(cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def _grain(gray: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(gray.size)
    return np.clip(gray + rng.normal(0, 12, gray.shape), 0, 255).astype(np.uint8)


def _windowed(gray: np.ndarray) -> np.ndarray:
    low, high = np.percentile(gray, (5, 97))
    return np.clip((gray - np.float32(low)) * 255 / max(high - low, 20), 0, 255).astype(np.uint8)


OTHERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "local contrast": lambda gray: clahe(gray, 4.0),
    "equalised": cv2.equalizeHist,
    "grain": _grain,
    "compressed": lambda gray: compressed(gray, 25),
    "dark": lambda gray: cv2.LUT(gray, ((np.arange(256) / 255) ** 2 * 255).astype(np.uint8)),
    "windowed": _windowed,
}
"""Ways of showing a uint8 film that thresholds are set on, beside the film as it is: grain of 12 grey values, JPEG of
quality 25, the square of the grey values, the window from the 5th to the 97th percentile."""


def others(gray: np.ndarray) -> dict[str, np.ndarray]:
    """A uint8 film in each of the other tones, at most ``LONG`` pixels long."""
    scale = LONG / max(gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return {name: np.ascontiguousarray(change(gray)) for name, change in OTHERS.items()}


def toned(picture: np.ndarray, rng: Rng) -> np.ndarray:
    """A picture of grey values in [0, 255] in a tone that chance decides: contrast, equalisation, blur or sharpening,
    coarse pixels, grain and compression; uint8."""
    value = np.clip(picture / np.float32(255), 0, 1)
    low, high = rng.uniform(-0.08, 0.12), rng.uniform(0.7, 1.5)
    if rng.random() < 0.08:  # what is brightest, all white
        high = max(float(np.percentile(value, rng.uniform(95, 99.5))), 0.3)
    value = np.clip((value - low) / max(high - low, 0.3), 0, 1) ** float(np.exp(rng.normal(0, 0.4)))
    way = rng.random()
    if way < 0.2:
        grey = (value * 255).astype(np.uint8)
        even = cv2.equalizeHist(grey) if way < 0.05 else clahe(grey, float(rng.uniform(1, 4)))
        value = even / np.float32(255)
    if rng.random() < 0.08:
        small = cv2.resize(value, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        value = cv2.resize(small, value.shape[::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        value = cv2.GaussianBlur(value, (0, 0), rng.uniform(0.3, 1.8))
    elif rng.random() < 0.3:
        value = np.clip(value + rng.uniform(0.3, 1.5) * (value - cv2.GaussianBlur(value, (0, 0), 1.5)), 0, 1)
    grain = rng.uniform(4, 12) if rng.random() < 0.12 else rng.exponential(2.0)
    noisy = value * 255 + rng.normal(0, 1, value.shape).astype(np.float32) * float(grain)
    out = np.clip(noisy, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        out = compressed(out, int(rng.integers(35, 92)))
    return out


def lit(picture: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Markers and collimation, then ``toned``; float32 -> uint8, and the mask of the markers."""
    height, width = picture.shape
    marked = np.zeros(picture.shape, bool)
    for _ in range(int(rng.choice([0, 0, 1, 1, 2, 3]))):
        layer = metal.marker(picture.shape, rng)
        marked |= layer > 0.25
        picture = metal.attenuate(picture, layer, 255.0)
    if rng.random() < 0.3:  # a collimator: black, or the bare plate white
        box = (
            (width * rng.uniform(0.42, 0.58), height * rng.uniform(0.42, 0.58)),
            (width * rng.uniform(0.7, 1.1), height * rng.uniform(0.7, 1.1)),
        )
        field = np.zeros(picture.shape, np.float32)
        cv2.fillPoly(field, [cv2.boxPoints((*box, float(rng.normal(0, 4)))).astype(np.int32)], 1.0)
        field = cv2.GaussianBlur(field, (0, 0), rng.uniform(0.4, 4))
        picture = picture * field + (1 - field) * float(rng.choice([0, 0, 8, 255]))
    return toned(picture, rng), marked
