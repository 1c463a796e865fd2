"""Local features of a film as 128 sign bits each, made so that those of the mirrored or inverted film follow from them.

A film's features are SIFT descriptors (Lowe 2004), rooted (Arandjelovic 2012), less the usual descriptor, and of 128
projections the signs. A mirrored film has the same descriptors with their bins in another order, and so has a film with
inverted greys: both orders are their own inverse, and with the two one after the other they make a group of four. The
projections come in orbits of that group, so that the bits of the other three films are the film's own bits in another
order. Nothing need be measured or kept of them.
"""

from __future__ import annotations

import base64
from functools import lru_cache

import cv2
import numpy as np

from curate.flags.film import Film

SIDE = 320
"""Longest side at which features are found and films compared."""

FEATURES = 96

GRAIN = 1.0
"""Pixels at ``SIDE``, standard deviation, by which films are blurred first: grain makes features that no copy has."""

SAME, MIRRORED, INVERTED, BOTH = WAYS = (0, 1, 2, 3)
"""How a copy was changed: exclusive or takes two changes together, and any of them is undone by itself."""

USUAL = ((85, 56, 36, 43, 67), (143, 80, 38, 37, 55), (100, 59, 37, 48, 78), (175, 89, 42, 45, 68))
"""The mean rooted descriptor of hand radiographs, in thousandths: cells (outer, outer), (outer, inner), (inner, outer),
(inner, inner) across and along the main direction; in each the angles 0, 45, ..., 180 degrees away from it."""


def at_side(gray: np.ndarray) -> np.ndarray:
    """uint8 film with a longest side of ``SIDE``."""
    scale = SIDE / max(gray.shape)
    size = (max(8, round(gray.shape[1] * scale)), max(8, round(gray.shape[0] * scale)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def changed(gray: np.ndarray, way: int) -> np.ndarray:
    """The film mirrored left to right, with inverted greys, or both."""
    gray = gray[:, ::-1] if way & MIRRORED else gray
    return np.ascontiguousarray(255 - gray if way & INVERTED else gray)


def _orders() -> list[np.ndarray]:
    """For each of ``WAYS`` the order in which the changed film's descriptors hold a film's 128 bins.

    OpenCV's bins are 4 cells across the main direction, 4 along it, 8 angles. Mirrored, the cells across are swapped
    and the angles turn the other way; inverted, the main direction is the opposite one, the angles from it the same.
    """
    bins = np.arange(128).reshape(4, 4, 8)
    back = -np.arange(8) % 8
    return [bins.ravel(), bins[::-1][..., back].ravel(), bins[::-1, ::-1].ravel(), bins[:, ::-1][..., back].ravel()]


@lru_cache(maxsize=1)
def _projection() -> tuple[np.ndarray, np.ndarray]:
    """(128, 128) float32: 32 random directions, then the same in each of the other orders; and what the usual
    descriptor projects to."""
    some = np.random.default_rng(29).normal(size=(32, 128))
    every = np.concatenate([some[:, order] for order in _orders()])
    cells, away = [0, 1, 1, 0], [0, 1, 2, 3, 4, 3, 2, 1]
    usual = np.array(USUAL).reshape(2, 2, 5)[np.ix_(cells, cells, away)].ravel() / 1000
    return every.T.astype(np.float32), (every @ usual).astype(np.float32)


def measure(film: Film) -> str:
    """The features as text: 16 bytes of signs, then x and y in eighths of a pixel at ``SIDE``, for each; then
    base64."""
    gray = cv2.createCLAHE(3.0, (6, 6)).apply(cv2.GaussianBlur(at_side(film.small), (0, 0), GRAIN))
    points, descriptors = cv2.SIFT_create(nfeatures=FEATURES, contrastThreshold=0.02).detectAndCompute(gray, None)
    if descriptors is None:
        return ""
    root = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))[:FEATURES]
    directions, usual = _projection()
    signs = np.packbits(root @ directions > usual, axis=1)
    places = np.array([p.pt for p in points[:FEATURES]], np.float32)
    places = np.round(places * 8).astype("<i2").view(np.uint8).reshape(len(signs), 4)
    return base64.b64encode(np.hstack([signs, places]).tobytes()).decode()


def features(measured: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, 16) uint8, the sign bits; and (n, 2) float32, the places in pixels at ``SIDE``."""
    rows = np.frombuffer(base64.b64decode(measured), np.uint8).reshape(-1, 20)
    return rows[:, :16].copy(), rows[:, 16:].copy().view("<i2").astype(np.float32) / 8


def bits_of(signs: np.ndarray, way: int) -> np.ndarray:
    """(n, 16) uint8: the sign bits that the film would have, changed in this way."""
    return signs.reshape(-1, 4, 4)[:, [way ^ k for k in WAYS]].reshape(-1, 16)
