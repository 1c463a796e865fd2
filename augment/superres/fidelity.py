"""What a setting does to the films at hand: does it invent, does it stay consistent, do the edges of bones move?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from skimage.metrics import structural_similarity

from augment.superres.edges import Shifts, edge_shifts, summarise
from augment.superres.errors import EdgesMovedError
from augment.superres.resample import enlarge, shrink
from augment.superres.restore import Enlarger, Settings, coarse, combine, network_picture
from augment.superres.windows import Window

LIMIT = 0.5
"""Film pixels: 95 of 100 points of every bone's edge must move less."""
ENOUGH = 20
"""Points below which a bone's 95th percentile says nothing."""
BORDER = 24.0
"""Film pixels from the window's border that edges are not compared in: the network saw a mirror image there."""


@dataclass(frozen=True)
class Fidelity:
    """Figures of one setting on some windows of some films.

    Attributes:
        windows, films: how many were looked at.
        round_trip: method -> (PSNR in dB, SSIM), means over windows of films shrunk by the scale and restored by
            ``setting``, ``bicubic`` or ``lanczos``.
        before, after: root mean square of what the result, shrunk, differs from the film by, in grey levels, without
            and with back-projection. worst: the largest such difference after it.
        change: PSNR in dB of the result against the film; ``None`` for an enlarged one.
        edges: bone -> figures of ``augment.superres.edges.summarise``.
        seconds_per_megapixel: of the film, with the network, on ``device``.
    """

    windows: int
    films: int
    scale: int
    round_trip: dict[str, tuple[float, float]]
    before: float
    after: float
    worst: float
    change: float | None
    edges: dict[str, dict[str, float]]
    seconds_per_megapixel: float
    device: str

    @property
    def moved(self) -> tuple[str | None, float]:
        """The bone whose edge moved most, and by how much: the figure that is held against ``LIMIT``."""
        found = {k: v["moved"] for k, v in self.edges.items() if v["points"] >= ENOUGH}
        worst = max(found, key=found.__getitem__, default=None)
        return worst, found[worst] if worst else 0.0

    def lines(self) -> list[str]:
        """The figures as a run prints them."""
        trips = ", ".join(f"{k} {psnr:.2f} dB / {ssim:.4f}" for k, (psnr, ssim) in self.round_trip.items())
        bone, moved = self.moved
        edges = "no bone edge is clear enough to compare"
        if bone is not None:
            typical = np.nanmean([v["typical"] for v in self.edges.values()])
            edges = (
                f"bone edges moved {typical:.2f} px on average; worst is {bone}, where 95 of 100 points moved "
                f"less than {moved:.2f} px (limit {LIMIT})"
            )
        changed = "" if self.change is None else f"; against the film itself {self.change:.1f} dB"
        return [
            f"shrunk by {self.scale} and restored, {self.windows} windows of {self.films} films, PSNR / SSIM: {trips}",
            f"consistency: {self.before:.2f} grey levels RMS before back-projection, {self.after:.2f} after "
            f"(largest {self.worst:.1f}){changed}",
            edges,
            f"{self.seconds_per_megapixel:.1f} s per megapixel of film on one {self.device} worker",
        ]

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self)) | {"moved": self.moved}

    def check(self) -> None:
        """Raise ``EdgesMovedError`` when a bone's edge moves further than ``LIMIT``."""
        bone, moved = self.moved
        if moved > LIMIT:
            raise EdgesMovedError(
                bone,
                f"its edge moves: 5 in 100 points by {moved:.2f} px or more, and {LIMIT} is the limit; take a lower "
                "--strength, more --rounds or another --model, or --force it",
            )


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures in dB; 100 at most."""
    error = float(np.mean((picture.astype(np.float64) - truth) ** 2))
    return float(10 * np.log10(255**2 / max(error, 255**2 * 1e-10)))


def ssim(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of 8-bit pictures; Wang et al., IEEE TIP 13 (2004), with its Gaussian window."""
    return float(
        structural_similarity(
            picture, truth, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def round_trip(film: np.ndarray, network: Enlarger, settings: Settings) -> dict[str, tuple[float, float]]:
    """PSNR and SSIM of a picture shrunk and restored, by the setting and by each interpolation.

    Args:
        film: float32 (h, w), whole grey levels; h and w multiples of the scale.
    """
    low = np.rint(shrink(film, settings.scale))
    bigger = replace(settings, enlarge=True)
    results = {"this setting": combine(low, network_picture(low, network, bigger), bigger)}
    results |= {kernel: enlarge(low, settings.scale, kernel) for kernel in ("bicubic", "lanczos")}
    rounded = {k: _levels(v) for k, v in results.items()}
    return {k: (psnr(v, film), ssim(v, film.astype(np.uint8))) for k, v in rounded.items()}


def _levels(picture: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def assess(
    windows: Sequence[Window], pixels: Callable[[str], np.ndarray], network: Enlarger, settings: Settings
) -> Fidelity:
    """Measure a setting on windows of films.

    Args:
        windows: at least one.
        pixels: sample id -> its film, uint8 (h, w).
    """
    trips: list[dict[str, tuple[float, float]]] = []
    before, after, worst, changes, moved = [], [], 0.0, [], list[Shifts]()
    spent = area = 0.0
    for window in windows:
        gray = window.cut(pixels(window.sample))
        film = gray.astype(np.float32)
        start = time.perf_counter()
        picture = network_picture(film, network, settings)
        spent, area = spent + time.perf_counter() - start, area + film.size / 1e6
        raw = _levels(combine(film, picture.copy(), replace(settings, rounds=0)))
        result = _levels(combine(film, picture, settings))
        wanted = coarse(film, settings)
        before.append(np.mean((shrink(raw.astype(np.float32), settings.scale) - wanted) ** 2))
        difference = shrink(result.astype(np.float32), settings.scale) - wanted
        after.append(np.mean(difference**2))
        worst = max(worst, float(np.abs(difference).max()))
        if not settings.enlarge:
            changes.append(psnr(result, gray))
        moved += edge_shifts(gray, result, window.annotations, settings.factor, BORDER)
        trips.append(round_trip(film, network, settings))
    methods = trips[0]
    return Fidelity(
        len(windows),
        len({w.sample for w in windows}),
        settings.scale,
        {m: tuple(float(np.mean([t[m][k] for t in trips])) for k in (0, 1)) for m in methods},
        float(np.sqrt(np.mean(before))),
        float(np.sqrt(np.mean(after))),
        worst,
        float(np.mean(changes)) if changes else None,
        summarise(moved),
        spent / area,
        getattr(network, "device", "cpu"),
    )
