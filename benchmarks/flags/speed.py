"""What the detectors cost beside decoding."""

from __future__ import annotations

import time
from pathlib import Path

from curate.flags import DETECTORS, films_from_folder, run_detectors


def rates(folder: Path, repeats: int = 2) -> dict[str, float]:
    """Films a second of processor time: decoding alone, with the cheap detectors, and with all that need no labels."""
    cheap = [d.name for d in DETECTORS if not d.dear and not d.name.startswith("label-")]
    every = [d.name for d in DETECTORS if not d.name.startswith("label-")]

    def decode() -> None:
        for film in films_from_folder(folder):
            _ = film.fault
            film.close()

    def rate(work) -> float:
        best = 0.0
        for _ in range(repeats):
            start = time.process_time()
            work()
            best = max(best, len(films_from_folder(folder)) / (time.process_time() - start))
        return best

    return {
        "decode": rate(decode),
        "cheap": rate(lambda: run_detectors(films_from_folder(folder), cheap)),
        "all": rate(lambda: run_detectors(films_from_folder(folder), every)),
    }
