"""Dice of 29 bones on a 2048 x 2048 film: the loop over full masks against ``train.scores``.

    python benchmarks/statistics/dice.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from train.scores import score_masks, score_planes

SIZE, BONES, ROUNDS = 2048, 29, 7


def film(rng: np.random.Generator) -> np.ndarray:
    """29 ellipses of the sizes of hand bones: bool (29, 2048, 2048)."""
    masks = np.zeros((BONES, SIZE, SIZE), np.uint8)
    for k in range(BONES):
        centre = tuple(int(v) for v in rng.integers(300, SIZE - 300, 2))
        axes = tuple(int(v) for v in (rng.integers(25, 60), rng.integers(40, 200)))
        cv2.ellipse(masks[k], centre, axes, int(rng.integers(0, 180)), 0, 360, 1, -1)
    return masks.astype(bool)


def naive(a: np.ndarray, b: np.ndarray) -> list[float]:
    """The usual loop."""
    return [(2.0 * (x & y).sum() + 1e-4) / (x.sum() + y.sum() + 1e-4) for x, y in zip(a, b, strict=True)]


def timed(name: str, function, reference: float | None = None) -> float:
    """Least processor seconds of some rounds, printed: other programs on the machine change it little."""
    function()
    spent = []
    for _ in range(ROUNDS):
        since = time.process_time()
        function()
        spent.append(time.process_time() - since)
    least = min(spent)
    ratio = "" if reference is None else f"  {reference / least:.0f}x"
    print(f"{name:44} {1e3 * least:8.1f} ms{ratio}")
    return least


def main() -> None:
    """Time the ways."""
    cv2.setNumThreads(1)
    truth = film(np.random.default_rng(0))
    predicted = np.roll(truth, 3, axis=2)
    bits = np.uint32(1) << np.arange(BONES, dtype=np.uint32)
    planes = [np.bitwise_or.reduce(m.astype(np.uint32) * bits[:, None, None], axis=0) for m in (predicted, truth)]
    wanted = naive(predicted, truth)
    for found in (score_planes(*planes, BONES, boundary=False), score_masks(predicted, truth, boundary=False)):
        np.testing.assert_array_equal([s.dice for s in found], wanted)
    slow = timed("loop over full masks", lambda: naive(predicted, truth))
    timed("score_masks, Dice", lambda: score_masks(predicted, truth, boundary=False), slow)
    timed("score_planes, Dice", lambda: score_planes(*planes, BONES, boundary=False), slow)
    timed("score_planes, Dice, NSD and HD95 (MONAI)", lambda: score_planes(*planes, BONES))


if __name__ == "__main__":
    main()
