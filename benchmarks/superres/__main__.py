"""Quality and time per megapixel of each network, each strength, bicubic and Lanczos, on real films.

    python -m benchmarks.superres [--data DIR] [--models animevideov3 x4plus-anime] [--strengths 0.5 0.75 1]
                                  [--labelled 20] [--native 8] [--scale 2] [--half]

``DIR`` holds ``hands29/`` (labelled films in the competition's layout) and ``radiographs/images/`` (films as they left
the archive, not enlarged); by default the tests' films. The windows are drawn once and shown to every network. Times
are processor seconds of one thread (seconds of the GPU where there is one), for the film's megapixels.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from augment.superres.catalogue import CATALOGUE
from augment.superres.engine import load_network
from augment.superres.fidelity import Fidelity, assess, psnr
from augment.superres.restore import Enlarger, Settings, bicubic_picture
from augment.superres.weights import find_weights
from augment.superres.windows import EDGE, Window, choose_windows
from curate.errors import ImageError
from curate.ingest import ingest
from curate.sample.image import read_image
from curate.sample.read import SampleReader

DATA = Path(os.environ.get("CARPUS_TEST_DATA", Path(__file__).parents[3] / "shared/data"))


class Remembering:
    """A network that answers from memory when it is shown a tile again, and counts its time."""

    def __init__(self, network: Enlarger):
        self.network = network
        self.scale, self.halo, self.batch, self.device = network.scale, network.halo, network.batch, network.device
        self.known: dict[bytes, np.ndarray] = {}
        self.seconds = 0.0

    def __call__(self, tiles: np.ndarray, margin: int) -> np.ndarray:
        key = bytes(str(tiles.shape), "ascii") + tiles.tobytes()
        if key not in self.known:
            clock = time.process_time if self.device == "cpu" else time.perf_counter
            start = clock()
            self.known[key] = self.network(tiles, margin)
            self.seconds += clock() - start
        return self.known[key]


def native_windows(folder: Path, count: int) -> tuple[list[Window], dict[str, np.ndarray]]:
    """The window with the most detail of every few films of a folder, and the films."""
    windows: list[Window] = []
    films: dict[str, np.ndarray] = {}
    paths = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg"))
    for path in paths[:: max(len(paths) // max(count, 1), 1)]:
        try:
            gray = read_image(path).gray
        except ImageError:
            continue  # truncated ones are among them on purpose
        if min(gray.shape) < 2 * EDGE or len(windows) == count:
            continue
        soft = cv2.GaussianBlur(gray, (0, 0), 1.5).astype(np.float32)
        saturated = (gray < 5) | (gray > 250)
        detail = cv2.blur(np.abs(cv2.Laplacian(soft, -1)) - 50 * saturated, (EDGE, EDGE))
        half = EDGE // 2
        inner = detail[half : gray.shape[0] - half, half : gray.shape[1] - half]
        y, x = (int(v) for v in np.unravel_index(int(inner.argmax()), inner.shape))
        films[path.name] = gray
        windows.append(Window(path.name, x, y, EDGE, ()))
    return windows, films


def line(name: str, found: Fidelity, seconds: float | None) -> str:
    """One row of the table."""
    trip = found.round_trip["this setting"]
    changed = f"{found.change:6.1f}" if found.change is not None else "     -"
    spent = f"{seconds:8.1f}" if seconds is not None else "       -"
    bone, moved = found.moved
    return (
        f"{name:28s} {trip[0]:7.2f} {trip[1]:8.4f} {changed} {found.before:7.2f} {found.after:6.2f} "
        f"{moved:6.2f} {bone or '-':12s} {spent}"
    )


def table(
    title: str, windows: list[Window], pixels: Callable[[str], np.ndarray], networks: dict[str, Remembering],
    strengths: list[float], base: Settings,
) -> None:
    """Print the figures of every network and strength, and of interpolation, on some windows."""
    if not windows:
        return
    print(f"\n{title}: {len(windows)} windows of {EDGE} x {EDGE} pixels, {len({w.sample for w in windows})} films")
    print(
        f"{'':28s} {'PSNR':>7s} {'SSIM':>8s} {'change':>6s} {'before':>7s} {'after':>6s} {'moved':>6s} {'bone':12s} "
        f"{'s per MP':>8s}"
    )
    area = len(windows) * EDGE * EDGE / 1e6
    for k, (model, network) in enumerate(networks.items()):
        found = assess(windows, pixels, network, replace(base, strength=1.0, rounds=0))
        if k == 0:
            for kernel in ("bicubic", "lanczos"):
                print(f"{kernel:28s} {found.round_trip[kernel][0]:7.2f} {found.round_trip[kernel][1]:8.4f}")
            back = [
                psnr(np.rint(np.clip(bicubic_picture(film, base), 0, 255)), film)
                for film in (w.cut(pixels(w.sample)).astype(np.float32) for w in windows)
            ]
            print(f"{'bicubic and back':28s} {'':7s} {'':8s} {np.mean(back):6.1f}")
            print(line("bicubic, consistent", assess(windows, pixels, network, replace(base, strength=0.0)), None))
        # each window is seen at its own size and, for the round trip, shrunk: 1 + 1 / scale^2 of its area
        seconds = network.seconds / (area * (1 + 1 / base.scale**2))
        print(line(f"{model}, alone", found, seconds), flush=True)
        for strength in strengths:
            found = assess(windows, pixels, network, replace(base, strength=strength))
            print(line(f"{model} {strength:.2f}, consistent", found, seconds), flush=True)
        network.seconds = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--models", nargs="+", default=list(CATALOGUE))
    parser.add_argument("--strengths", nargs="*", type=float, default=[0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--labelled", type=int, default=32)
    parser.add_argument("--native", type=int, default=8)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--enlarge", action="store_true")
    parser.add_argument("--half", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    networks = {}
    for model in options.models:
        found = find_weights(model)
        network = load_network.__wrapped__(found.model, found.digest, options.half)
        networks[model] = Remembering(network)
        print(f"{model}: {network.device}, margin {network.halo} px, weights {found.digest}")
    base = Settings(options.scale, options.enlarge, half=options.half)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(options.data / "hands29", Path(folder) / "set", copy_function=shutil.copyfile))
        version = ingest(root).version
        reader = SampleReader(version)
        windows = choose_windows(version.samples, reader.annotations, 0)[: options.labelled]
        table("labelled films", windows, lambda s: reader.film(s).gray, networks, options.strengths, base)
    windows, films = native_windows(options.data / "radiographs/images", options.native)
    table("films as archived", windows, films.__getitem__, networks, options.strengths, base)


if __name__ == "__main__":
    main()
