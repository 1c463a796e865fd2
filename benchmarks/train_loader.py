"""CPU time per sample of the training data path, against the loader that everybody writes first.

    python -m benchmarks.train_loader --data FOLDER [--size 512 1024]

Naive: decode the PNG, paint one full-size mask a class with fillPoly, resize all of them. Ours: map the film, unfold
its label plane. One process, one thread, CPU time, films of the version named (v1 by default).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from curate.manifest import Manifest
from train.data import Films
from train.films import FilmStore
from train.prepare import prepare


def naive(root: Path, row, classes: tuple[str, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
    """One sample of the competition's layout as float image and float masks."""
    image = cv2.imread(str(root / row.image))
    masks = np.zeros((len(classes), row.height, row.width), np.float32)
    for annotation in json.loads((root / row.labels).read_text())["annotations"]:
        mask = np.zeros((row.height, row.width), np.uint8)
        cv2.fillPoly(mask, [np.array(annotation["points"])], 1)
        masks[classes.index(annotation["label"])] = mask
    small = [cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST) for mask in masks]
    return cv2.resize(image, (size, size)) / 255.0, np.stack(small)


def milliseconds(work, items, repeat: int) -> float:
    """CPU milliseconds per item."""
    began = time.process_time()
    for _ in range(repeat):
        for item in items:
            work(item)
    return (time.process_time() - began) / (repeat * len(items)) * 1e3


def main() -> None:
    """Print a line a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--version", default="v1")
    parser.add_argument("--size", type=int, nargs="+", default=[512, 1024])
    given = parser.parse_args()
    cv2.setNumThreads(1)
    manifest = Manifest.find(given.data)
    version = manifest.version(given.version)
    rows = [row for row in version.samples if row.is_original and row.labelled][:16]
    for size in given.size:
        with tempfile.TemporaryDirectory() as folder:
            store = FilmStore(Path(folder), size, manifest.classes)
            prepare(version, rows, store, limit=2**40)
            films = Films(rows, store)
            ours = milliseconds(lambda k, f=films: f[k]["image"].sum(), range(len(rows)), 10)
            kept = sum(p.stat().st_size for p in Path(folder).rglob("*.film")) / len(rows)
        usual = milliseconds(lambda row, s=size: naive(manifest.root, row, manifest.classes, s), rows[:4], 1)
        ratio = f"{usual / ours:.0f} times"
        print(f"{size}: ours {ours:.2f} ms, naive {usual:.0f} ms, {ratio}; {kept / 1024:.0f} KiB a film")


if __name__ == "__main__":
    main()
