"""Searching one target for inputs that break it, and keeping each break once."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import numpy as np

from tests.faults.fuzzing.mutate import WORDS
from tests.faults.fuzzing.target import BoundError, Target, attempt


class Finds:
    """What broke: the first input of each kind of break, written below ``place``.

    Args:
        name: of the target. place: folder, made when the first is found.
    """

    def __init__(self, name: str, place: Path):
        self.name, self.place = name, place
        self.kinds: dict[str, Path] = {}

    def add(self, data: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if any(f"/{part}/" in f.filename for part in ("curate", "augment", "train"))]
        at = (ours or frames)[-1]
        kind = f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}"
        if isinstance(error, BoundError):
            kind = f"{error}".split(" of the")[0]
        if kind not in self.kinds:
            self.place.mkdir(parents=True, exist_ok=True)
            path = self.place / f"{self.name}-{len(self.kinds)}-{abs(hash(data)) % 10**8}"
            path.write_bytes(data)
            path.with_suffix(".txt").write_text("".join(traceback.format_exception(error))[-4000:])
            self.kinds[kind] = path
            print(f"found: {self.name}: {kind}: {' '.join(str(error).split())[:160]} ({path})", flush=True)


def try_one(target: Target, data: bytes, folder: Path, finds: Finds) -> None:
    try:
        attempt(target, data, folder)
    except Exception as error:  # noqa: BLE001 - whatever comes is what is sought
        finds.add(data, error)


def at_random(target: Target, count: int, seed: int, folder: Path, finds: Finds) -> None:
    """So many mutations of the good files."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        try_one(target, target.change(target.good[k % len(target.good)], rng), folder, finds)


def guided(target: Target, seconds: int, folder: Path, corpus: Path, finds: Finds) -> None:
    """Guided by coverage (atheris) for some seconds; ends this process.

    Args:
        corpus: of inputs that reach new code; kept between runs by whoever keeps the folder.
    """
    import atheris

    corpus.mkdir(parents=True, exist_ok=True)
    for k, data in enumerate(target.good):
        (corpus / f"good-{k}").write_bytes(data)
    words = folder / "words"
    words.write_text("".join('"' + "".join(rf"\x{b:02x}" for b in word) + '"\n' for word in WORDS))

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 2:
            return atheris.Mutate(data, max_size)
        return target.change(data, np.random.default_rng(seed))[:max_size]

    options = [f"-max_total_time={seconds}", "-max_len=8192", "-timeout=60", "-rss_limit_mb=4096", "-verbosity=0",
               f"-dict={words}", f"-artifact_prefix={finds.place}/{finds.name}-", "-print_final_stats=1"]  # fmt: skip
    finds.place.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [sys.argv[0], str(corpus), *options], lambda data: try_one(target, data, folder, finds), custom_mutator=change
    )
    atheris.Fuzz()
