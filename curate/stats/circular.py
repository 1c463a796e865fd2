"""Directions: their mean and how far they agree (Mardia and Jupp, Directional Statistics, 2000)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

UPRIGHT = 25.0
"""Degrees off up within which a hand counts as upright: where the ``rotation`` detector raises its flag."""


def direction(degrees: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean direction in [0, 360) and mean resultant length in [0, 1] (1: all agree); ``None`` of nothing.

    A mean direction says nothing where the length is near 0.
    """
    if not len(degrees):
        return None, None
    total = np.exp(1j * np.radians(np.asarray(degrees, float))).mean()
    return float(np.degrees(np.angle(total)) % 360), float(abs(total))


def turn(degrees: np.ndarray | float) -> np.ndarray | float:
    """An angle as the shortest turn, in [-180, 180)."""
    return (np.asarray(degrees) + 180) % 360 - 180


def upright(degrees: Sequence[float]) -> float:
    """Share within ``UPRIGHT`` degrees of up."""
    return float((np.abs(turn(np.asarray(degrees, float))) <= UPRIGHT).mean())


def quadrants(degrees: Sequence[float]) -> dict[str, int]:
    """How many point up, right, down and left, 90 degrees each."""
    which = np.asarray((np.asarray(degrees, float) + 45) % 360 // 90, int)
    return {name: int((which == k).sum()) for k, name in enumerate(("up", "right", "down", "left"))}
