"""What the film's head sees of drawn bodies: made once, kept in a folder. They come from no film, so from no fold.

``python -m benchmarks.flags.drawn PICTURE`` shows some.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.flags.bodies import body
from benchmarks.flags.sample import IGNORE, NEGATIVE, OF_A_NEGATIVE, picture_size
from benchmarks.flags.tones import lit
from curate.flags.heads import SIDE, features, prepare

ROUNDS, EACH = 16, 60
"""Files of drawn bodies, and how many each holds."""


def picture(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A drawn body, uint8 (h, w), lit as films are; and (len(WHOLE),) what is true of it as a whole."""
    gray, _ = lit(body(picture_size(SIDE, rng), rng), rng)
    if rng.random() < NEGATIVE:
        return 255 - gray, np.array(OF_A_NEGATIVE, np.float32)
    return gray, np.array([0, 1, 0, IGNORE], np.float32)


def make(folder: Path, log: Callable[[str], None]) -> None:
    """Write what is seen of all drawn bodies into ``folder``; files already there are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(ROUNDS):
        path = folder / f"drawn{k}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng([k, EACH])
        pictures, answers = zip(*(picture(rng) for _ in range(EACH)), strict=True)
        seen = [features(prepare(gray)).whole for gray in pictures]
        with path.with_suffix(".part").open("wb") as stream:
            np.savez(stream, seen=np.array(seen, np.float32), answers=np.array(answers))
        path.with_suffix(".part").rename(path)
        log(f"{path.name}: {EACH} bodies")


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """What is seen of all drawn bodies, float32 (n, k), and what is true of them, float32 (n, len(WHOLE))."""
    stored = [np.load(folder / f"drawn{k}.npz", allow_pickle=False) for k in range(ROUNDS)]
    return np.concatenate([s["seen"] for s in stored]), np.concatenate([s["answers"] for s in stored])


def sheet(rows: int = 4, columns: int = 8, side: int = 150) -> np.ndarray:
    """Some drawn bodies as they are taught, side by side, uint8 (h, w)."""
    rng = np.random.default_rng(0)
    cells = [cv2.resize(picture(rng)[0], (side, side), interpolation=cv2.INTER_AREA) for _ in range(rows * columns)]
    return np.vstack([np.hstack(cells[k * columns : (k + 1) * columns]) for k in range(rows)])


if __name__ == "__main__":
    cv2.imwrite(sys.argv[1], sheet(), [cv2.IMWRITE_JPEG_QUALITY, 80])
