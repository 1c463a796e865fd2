"""CPU time per sample of the training data path, against the loader that everybody writes first.

    python -m benchmarks.train_loader --data FOLDER [--size 512 1024] [--patch 512]

Naive: decode the PNG, paint one full-size mask a class with fillPoly, resize all of them (or cut the patch out of
them). Ours: map the film, unfold its label plane (of a patch, its rows only; of a virtual child, its window rendered
from its parents). One process, one thread, CPU time, films of the version named (v1 by default).
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
from train.data.draws import Films, collate
from train.data.films import FilmStore
from train.data.natives import NativeStore
from train.data.patches import Patches
from train.data.prepare import prepare

TARGET = 60  # times the naive loader


def naive(root: Path, row, classes: tuple[str, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
    """One sample of the competition's layout as float image and float masks."""
    image = cv2.imread(str(root / row.image))
    masks = np.zeros((len(classes), row.height, row.width), np.float32)
    for annotation in json.loads((root / row.labels).read_text())["annotations"]:
        mask = np.zeros((row.height, row.width), np.uint8)
        cv2.fillPoly(mask, [np.array(annotation["points"])], 1)
        masks[classes.index(annotation["label"])] = mask
    if not size:
        return image / 255.0, masks
    small = [cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST) for mask in masks]
    return cv2.resize(image, (size, size)) / 255.0, np.stack(small)


def naive_patch(root: Path, row, classes: tuple[str, ...], side: int) -> tuple[np.ndarray, np.ndarray]:
    """A patch of one sample, cut out of its full-size masks."""
    image, masks = naive(root, row, classes, 0)
    return image[:side, :side].copy(), masks[:, :side, :side].copy()


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
    parser.add_argument("--patch", type=int, default=512)
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
            batch = collate([films[k] for k in range(2)])
        usual = milliseconds(lambda row, s=size: naive(manifest.root, row, manifest.classes, s), rows[:4], 1)
        tell(f"{size}", ours, usual, kept, batch)
    side = given.patch
    children = [row for row in version.samples if not row.is_original and row.image is None][:16]
    usual = milliseconds(lambda row: naive_patch(manifest.root, row, manifest.classes, side), rows[:4], 1)
    for what, some in (("films", rows), ("virtual children", children)):
        if not some:
            continue
        with tempfile.TemporaryDirectory() as folder:
            store = NativeStore(Path(folder), manifest.classes, side)
            prepare(version, some, store, limit=2**40)
            patches = Patches(some, store, version.known, 0.67, np.ones(len(manifest.classes)))
            work = [(k % len(some), k) for k in range(4 * len(some))]
            for key in work:  # parents decoded and shrunk once, as in any but the first steps
                patches[key]
            ours = milliseconds(lambda key, p=patches: p[key]["image"].sum(), work, 2)
            kept = sum(p.stat().st_size for p in Path(folder).rglob("*.film")) / len(some)
            batch = collate([patches[k] for k in range(2)])
        tell(f"patches of {side}, {what}", ours, usual, kept, batch)


def tell(what: str, ours: float, usual: float, kept: float, batch: dict) -> None:
    """A line: times, their ratio against the target, what a sample takes on disk and on its way to the device."""
    ratio = usual / ours
    sent = sum(batch[key].numel() * batch[key].element_size() for key in ("image", "planes")) / 2
    met = "met" if ratio >= TARGET else "NOT met"
    print(
        f"{what}: ours {ours:.2f} ms, naive {usual:.0f} ms, {ratio:.0f} times ({TARGET} asked for: {met}); "
        f"{kept / 1024:.0f} KiB a sample in the cache, {sent / 2**20:.2f} MiB to the device"
    )


if __name__ == "__main__":
    main()
