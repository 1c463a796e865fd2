"""Print the table of speeds: ``python -m benchmarks.augment [--films DIR] [--operators mosaic ricap] [--steps]``.

One process and one thread, unless said otherwise; CPU time (the clock's beside it); every ratio from this one run, all
rivals done in turn. ``DIR`` holds ten labelled films in the competition's layout; without it phantoms of the same size
are made. "29 masks" is the layout of the competition's baseline, one (H, W, 29) array through ``Compose``; "masks in a
list" the same work in albumentations' fastest layout. The floor decodes each parent once and encodes and writes each
child once: with our own decoder, and with OpenCV's. ``--steps`` prints instead where a child's time goes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2

from augment.make import make_version
from augment.plan.crop import Crop
from augment.plan.mosaic import Mosaic
from augment.plan.ricap import Ricap
from augment.plan.rotate import Rotate
from benchmarks.augment import work
from benchmarks.augment.rivals import RIVALS
from benchmarks.augment.steps import steps
from curate.sample.read import SampleReader
from curate.sample.render import render_image
from curate.terminal import print_table

OPERATORS = {
    "mosaic": Mosaic(),
    "ricap": Ricap(beta=1.0),
    "rotate": Rotate(turned=True),
    "crop": Crop(region=("carpal",), margin=0.1, size=1024),
}
TARGETS = {  # against "29 masks", the naive loop, the floor; None: no target
    ("mosaic", 1): (60, 5, 0.8),
    ("ricap", 1): (60, 5, 0.8),
    ("mosaic", 8): (None, 10, None),
    ("ricap", 8): (None, 10, None),
    ("rotate", 1): (6, 2.5, None),
    ("crop", 1): (6, 2.5, None),
}
FEW = 3
"""Children that a rival makes; its time is that of a child times n."""


def _cell(value: float, target: float | None) -> str:
    if target is None:
        return f"{value:.2f}" if value < 2 else f"{value:.1f}"
    text = f"{value:.2f}" if target < 1 else f"{value:.1f}"
    return f"{text} (target {target:g}: {'reached' if value >= target else 'missed'})"


def speeds(version, names, repeats) -> list[tuple]:
    lines = []
    for name in names:
        many = work.planned(version, OPERATORS[name], 8 * work.N)
        rows = {1: work.planned(version, OPERATORS[name], work.N), 8: many}
        few = many[:: max(len(many) // FEW, 1)][:FEW]
        reader = SampleReader(version)
        pictures = [render_image(row.plan(), reader.film) for row in few]
        works = {rival: partial(work.rival, rival, few, version) for rival in RIVALS}
        for times, some in rows.items():
            works[f"ours {times}"] = partial(work.ours, some, version)
            for kind, opencv in (("floor", False), ("opencv", True)):
                works[f"{kind} {times}"] = partial(work.floor, some, version, pictures, opencv)
        taken = work.taken(works, partial(work.clean, version), repeats)
        for times, some in rows.items():
            ours = taken[f"ours {times}"]
            ratio = {rival: taken[rival].cpu / len(few) * len(some) / ours.cpu for rival in RIVALS}
            ratio |= {kind: taken[f"{kind} {times}"].cpu / ours.cpu for kind in ("floor", "opencv")}
            masks, naive, floor = TARGETS.get((name, times), (None,) * 3)
            targets = {"29 masks": masks, "naive loop": naive, "floor": floor}
            each = f"{1e3 * ours.cpu / len(some):.0f} ({1e3 * ours.wall / len(some):.0f})"
            cells = [_cell(value, targets.get(key)) for key, value in ratio.items()]
            lines.append((name, "N" if times == 1 else f"{times}N", each, *cells))
    return lines


def others(version) -> list[tuple]:
    """Planning, rendering without files, memory, and two processes."""
    lines = []
    start, wall = time.process_time(), time.perf_counter()
    made = make_version(version.manifest, Mosaic(), 800, virtual=True).version
    taken, wall = time.process_time() - start, time.perf_counter() - wall
    text = f"{taken:.2f} s ({wall:.2f} s by the clock)"
    lines.append(("800 mosaics planned and named, no files", text, _cell(1 / taken, 1)))
    reader = SampleReader(made)
    some = [r for r in made.samples if not r.is_original][:80]
    for row in some:
        reader.image(row.id, 0.25)
    taken = work.cpu(lambda: [reader.image(r.id, 0.25) for r in some])
    lines.append(("a mosaic rendered at 512 from its cached parents", f"{1e3 * taken / len(some):.2f} ms", ""))
    rows = work.planned(version, Mosaic(), 16 * work.N)
    many = work.full_cache(version)
    peaks = [work.peak_mb(many, k * work.N) for k in (8, 32)]
    text = " and ".join(f"{p:.0f}" for p in peaks)
    lines.append(("memory of a worker, its cache full: 8N and 32N mosaics", f"{text} MiB", _cell(400 / max(peaks), 1)))
    times = []
    for workers in (1, 2):
        work.ours(rows[:8], version, workers)  # so that both have started
        start = time.perf_counter()
        work.ours(rows, version, workers)
        times.append(time.perf_counter() - start)
        work.clean(version)
    load = os.getloadavg()[0]
    text = f"{times[0]:.1f} and {times[1]:.1f} s"
    lines.append((f"one and two processes, 16N mosaics (load {load:.1f})", text, _cell(times[0] / times[1], 1.8)))
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augment", description=__doc__.splitlines()[0])
    found = os.environ.get("CARPUS_TEST_DATA", Path(__file__).parents[3] / "shared/data")
    parser.add_argument("--films", type=Path, default=Path(found) / "hands29")
    parser.add_argument("--operators", nargs="+", choices=OPERATORS, default=list(OPERATORS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", action="store_true")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        version = work.films(Path(folder) / "films", asked.films)
        sizes = [(version.root / r.image).stat().st_size for r in version.samples]
        what = "real films" if asked.films.is_dir() else "phantoms"
        print(f"{len(sizes)} {what} of 2048 x 2048, {sum(sizes) / len(sizes) / 1e6:.1f} MB each, 29 polygons")
        if asked.steps:
            for name in asked.operators:
                rows = work.planned(version, OPERATORS[name], work.N)
                print_table(f"{name}, n = N", ("step", "of each", "ms", "in the floor"), steps(rows, version))
            return 0
        columns = ("operator", "n", "ms a child (clock)", *(f"x {r}" for r in RIVALS), "of the floor", "OpenCV's floor")
        lines = speeds(version, asked.operators, asked.repeats)
        print_table(f"Children to files, one process, CPU time (load {os.getloadavg()[0]:.1f})", columns, lines)
        print_table("", ("what", "measured", "against the target"), others(version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
