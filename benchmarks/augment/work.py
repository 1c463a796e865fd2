"""The films to work on, and one timed piece of work: by CPU time, which a busy machine disturbs least."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from augment.children import Job, plan_children
from augment.make import make_version
from augment.materialise import file_names, make_files
from augment.plan.base import Planner
from augment.plan.rotate import Rotate
from benchmarks.augment.rivals import RIVALS, Files
from curate.ingest import ingest
from curate.manifest import SampleRow, Version
from curate.phantom import write_phantom
from curate.sample.png import decode_gray_png, encode_png

N = 10


def films(folder: Path, real: Path | None) -> Version:
    """Ten films of 2048 x 2048 with 29 polygons each: real ones where they are at hand, else phantoms."""
    if real is not None and real.is_dir():
        shutil.copytree(real, folder, copy_function=shutil.copyfile)
    else:
        write_phantom(folder, N, 2048, 0)
    return ingest(folder).version


def files_of(version: Version) -> Files:
    return {r.id: (version.root / r.image, version.root / r.labels) for r in version.samples}


def planned(version: Version, planner: Planner, n: int) -> list[SampleRow]:
    return plan_children([Job(planner, n)], version, 0)


@dataclass(frozen=True)
class Taken:
    """Seconds that a piece of work took: of this process, and by the clock."""

    cpu: float
    wall: float


def taken(works: Mapping[str, Callable[[], object]], clean: Callable[[], object], repeats: int) -> dict[str, Taken]:
    """The least that each of some pieces of work took, done in turn so that all meet the same neighbours.

    Args:
        clean: called after each piece, outside its time.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start, wall = time.process_time(), time.perf_counter()
            work()
            times[name].append((time.process_time() - start, time.perf_counter() - wall))
            clean()
    return {name: Taken(*map(min, zip(*pairs, strict=True))) for name, pairs in times.items()}


def cpu(work: Callable[[], object], repeats: int = 3) -> float:
    """The least CPU seconds of this process that a piece of work took."""
    return taken({"": work}, lambda: None, repeats)[""].cpu


def clean(version: Version) -> None:
    """Take away what a piece of work has written."""
    shutil.rmtree(version.root / "derived", ignore_errors=True)


def ours(rows: Sequence[SampleRow], version: Version, workers: int = 1, folder: str = "bench") -> None:
    """Children to files, as ``augment`` makes them, digests and all."""
    for _ in make_files(rows, [file_names(folder, r.id) for r in rows], version, workers):
        pass


def floor(rows: Sequence[SampleRow], version: Version, pictures: Sequence[np.ndarray], opencv: bool) -> None:
    """What no way of making files can do without: decode each parent once, encode and write each child once.

    Args:
        opencv: decode with OpenCV, as anybody would; else as carpus does, which is faster.
    """
    for name in sorted({p for r in rows for p in r.parents}):
        data = (version.root / version.by_id[name].image).read_bytes()
        if opencv:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        else:
            decode_gray_png(data)
    folder = version.root / "derived"
    folder.mkdir()
    for k in range(len(rows)):
        (folder / f"{k}.png").write_bytes(encode_png(pictures[k % len(pictures)]))


def rival(name: str, rows: Sequence[SampleRow], version: Version) -> None:
    """Some children as a rival makes them."""
    folder = version.root / "derived"
    folder.mkdir()
    files = files_of(version)
    for k, row in enumerate(rows):
        RIVALS[name](row.plan(), files, folder / str(k))


def full_cache(version: Version) -> Version:
    """The same films and eight turned copies of each, with files: more than a worker's cache holds."""
    return make_version(version.manifest, Rotate(turned=True), 8 * N, source=version.name, name="turned").version


def peak_mb(version: Version, n: int) -> float:
    """The largest resident size of ``augment mosaic`` for n children of all samples, in a process of its own, MiB."""
    words = ["mosaic", "--n", str(n), "--from-derived", "--from", version.name, "--name", f"peak{n}", "--data",
             str(version.root)]
    code = f"""
from curate.terminal import run
from augment.cli import app
if run(app, {words!r}) == 0:
    print("peak", next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""  # the kernel's own mark: what getrusage says of a child begins with its parent's size
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.rpartition("peak")[2]) / 1024
