"""What the detectors cost beside decoding: ``python -m benchmarks.flags.speed [DATA]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2

from curate.flags import DETECTORS, films_from_folder, run_detectors

FOLDERS = ("hands29/DCM", "radiographs/images", "radiographs/plain")
"""Large PNG, mostly large JPEG, small JPEG."""


def _works(folder: Path) -> dict[str, Callable[[], object]]:
    cheap = [d.name for d in DETECTORS if not d.dear and not d.name.startswith("label-")]

    def decode() -> None:
        for film in films_from_folder(folder):
            _ = film.fault
            film.close()

    def imread() -> None:
        for film in films_from_folder(folder):
            cv2.imread(str(film.path))

    return {
        "imread": imread,
        "decode": decode,
        "cheap": lambda: run_detectors(films_from_folder(folder), cheap),
    }


def rates(folder: Path, repeats: int = 7, seconds: float = 20.0) -> dict[str, float]:
    """Films a second of processor time: decoding alone (OpenCV's, ours), and with the cheap detectors; and ``ratio``,
    cheap by decode: the median of runs taken in turn, as a busy machine slows both. As many runs as ``repeats``, or
    more where these take less than ``seconds``."""
    n, works = len(films_from_folder(folder)), _works(folder)
    spent: dict[str, list[float]] = {name: [] for name in works}
    begun = time.perf_counter()
    while len(spent["decode"]) < repeats or time.perf_counter() - begun < seconds:
        for name, work in works.items():
            start = time.process_time()
            work()
            spent[name].append(time.process_time() - start)
    told = {name: n / min(times) for name, times in spent.items()}
    ratio = median(d / c for d, c in zip(spent["decode"], spent["cheap"], strict=True))
    return told | {"ratio": ratio}


def dear(folder: Path, n: int = 5) -> float:
    """Films a second of processor time with all detectors that need no labels."""
    every = [d.name for d in DETECTORS if not d.name.startswith("label-")]
    start = time.process_time()
    run_detectors(films_from_folder(folder)[:n], every)
    return n / (time.process_time() - start)


def lines(data: Path) -> tuple[dict[str, dict[str, float]], list[str]]:
    """The rates of each of ``FOLDERS``, and the same in words."""
    told = {folder: rates(data / folder) for folder in FOLDERS}
    head = "films a second of processor time: cv2.imread, decoding alone, with the cheap detectors; the latter's ratio"
    rows = [
        f"{folder:<20} {r['imread']:8.1f} {r['decode']:8.1f} {r['cheap']:8.1f} {r['ratio']:8.2f}"
        for folder, r in told.items()
    ]
    return told, [head, *rows, f"all detectors that need no labels: {1 / dear(data / FOLDERS[0]):.2f} s a film"]


if __name__ == "__main__":
    print("\n".join(lines(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))[1]))
