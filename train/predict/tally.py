"""How sure a prediction is of each class: the Dice that its own probabilities expect of its masks."""

from __future__ import annotations

import numpy as np


class Tally:
    """Adds up what probabilities say of the masks cut from them, part of the picture by part.

    Were each pixel of a class with just its probability p, the mask M of the pixels above the threshold would meet
    sum of p over M pixels of the truth's sum of p; so the Dice to expect is 2 sum_M p / (|M| + sum p), near enough for
    bones of hundreds of pixels. It is 1 where the network is certain and right to be: a network that is sure of its
    errors is not found out.

    Args:
        n_classes: of the probabilities.
    """

    def __init__(self, n_classes: int):
        self._inside, self._all, self._pixels = np.zeros(n_classes), np.zeros(n_classes), np.zeros(n_classes)

    def add(self, probabilities: np.ndarray, limits: np.ndarray) -> None:
        """Take in a part: float32 (classes, r, w), and the threshold of each class."""
        for k, (layer, limit) in enumerate(zip(probabilities, limits, strict=True)):
            inside = layer[layer >= limit]
            self._inside[k] += inside.sum(dtype=np.float64)
            self._all[k] += layer.sum(dtype=np.float64)
            self._pixels[k] += inside.size

    def expected_dice(self) -> np.ndarray:
        """Of each class: float64 (classes,), NaN where no pixel is above the threshold."""
        found = np.full(len(self._pixels), np.nan)
        held = self._pixels > 0
        found[held] = 2 * self._inside[held] / (self._pixels[held] + self._all[held])
        return found
