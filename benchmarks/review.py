"""The review page with thousands of flagged films, in a real browser: ``python -m benchmarks.review --n 5000``."""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from curate.flags.result import FilmFlags, Flag
from curate.flags.store import save_flags
from curate.ingest import ingest
from curate.manifest import Version
from curate.review.export import write_export
from curate.review.server import Review, serve
from curate.sample.image import write_png
from tests.browser import Browser

NAMES = ("jewellery", "rotation", "exposure", "near-duplicate", "cast")


def flagged(root: Path, n: int, size: int) -> Version:
    """A version of noisy films, one flag on each."""
    rng = np.random.default_rng(0)
    tile = rng.integers(0, 255, (16, size // 8, size // 8), np.uint8).repeat(8, 1).repeat(8, 2)
    for k in range(n):
        film = tile[k % 16].copy()
        film[:8] = rng.integers(0, 255, film.shape[1])  # no two alike
        write_png(root / "DCM" / f"ID{k // 2:05d}" / f"image{k:06d}.png", film)
    version = ingest(root, classes=("Radius",)).version
    box = (0.1 * size, 0.2 * size, 0.6 * size, 0.5 * size)
    results = []
    for k, row in enumerate(version.samples):
        flag = Flag(NAMES[k % 5], 0.5 + k * 7919 % 1000 / 2000, 0.5, box, f"Made up, number {k}.")
        kept = {flag.name: {"version": 1, "found": None}}
        results.append(FilmFlags(row.id, row.image, f"{row.digest} {row.file} {row.label_file}", [flag], {}, kept))
    save_flags(root, results)
    return version


def drive(url: str, profile: Path, keys: int) -> dict[str, float]:
    """Seconds that a person would wait, as the browser has it."""
    with Browser(profile) as page:
        start = time.perf_counter()
        page.open(url)
        page.wait("document.body.dataset.ready")
        found = {"page ready": time.perf_counter() - start}
        page.wait("[...document.querySelectorAll('.card img')].slice(0, 12).every(i => i.naturalWidth)")
        found["first pictures"] = time.perf_counter() - start
        start = time.perf_counter()
        page.press("End")
        page.wait("document.activeElement.getAttribute('aria-posinset') === document.activeElement.ariaSetSize")
        page.wait("[...document.querySelectorAll('.card img')].slice(-6).every(i => i.naturalWidth)")
        found["from the first film to the last"] = time.perf_counter() - start
        page.press("Home")
        start = time.perf_counter()
        page.press(*"ar" * (keys // 2))
        page.wait(f"document.getElementById('counts').textContent.startsWith('{keys} of')"
                  " && !document.body.textContent.includes('… saving')")  # fmt: skip
        found["a decision, on disk"] = (time.perf_counter() - start) / keys
        found["cards in the page"] = page.run("document.querySelectorAll('.card').length")
        found["browser's heap, MB"] = page.run("performance.memory.usedJSHeapSize / 1e6")
        if page.errors:
            raise SystemExit(f"the page said {page.errors}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000, help="films")
    parser.add_argument("--size", type=int, default=256, help="edge of a film, pixels")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        version = flagged(Path(folder) / "set", args.n, args.size)
        with serve(Review(version), 0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                found = drive(server.url, Path(folder) / "profile", 40)
            finally:
                server.shutdown()
                thread.join()
        start = time.perf_counter()
        print(write_export(version, Path(folder) / "out.html").split(": ", 1)[1])
        found["the page to send round"] = time.perf_counter() - start
    found["this process at most, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for what, value in found.items():
        print(f"{what:<34}{value:10.3f}")


if __name__ == "__main__":
    main()
