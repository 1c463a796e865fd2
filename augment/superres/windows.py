"""Which pieces of which films a setting is measured on: every class is seen, on several films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from shapely import affinity
from shapely.geometry import box

from curate.manifest import SampleRow
from curate.sample.annotation import Annotation
from curate.sample.geometry import polygonal_parts

EDGE = 192
"""Of a window, film pixels; a multiple of every scale. A carpal bone fits in."""
FILMS = 8
MOST = 32


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of a film.

    Attributes:
        sample: id. x, y: of its first pixel. edge: pixels.
        annotations: that reach into it, in its own pixels.
    """

    sample: str
    x: int
    y: int
    edge: int
    annotations: tuple[Annotation, ...]

    def cut(self, gray: np.ndarray) -> np.ndarray:
        """Its pixels out of the film's."""
        return np.ascontiguousarray(gray[self.y : self.y + self.edge, self.x : self.x + self.edge])


def choose_windows(
    rows: Sequence[SampleRow], annotations: Callable[[str], Sequence[Annotation]], seed: int
) -> list[Window]:
    """Windows about the outlines of bones, one for each class that no earlier window shows, on up to 8 films.

    Args:
        rows: films to choose from. seed: the same one gives the same windows.

    Returns:
        at least one window if a film has a side of 48 px or more; at most 32.
    """
    rng = np.random.default_rng([seed, 6])
    usable = [r for r in rows if min(r.width, r.height) >= 48]
    chosen = [usable[i] for i in sorted(rng.permutation(len(usable))[:FILMS])]
    found = [(a, row) for row in chosen for a in annotations(row.id)]
    windows: list[Window] = []
    for label in sorted({a.label for a, _ in found}):
        if len(windows) >= MOST:
            break
        if any(_shows(w, label) for w in windows):
            continue
        own = [(a, row) for a, row in found if a.label == label]
        annotation, row = own[int(rng.integers(len(own)))]
        windows.append(_window(row, _focus(annotation, rng), annotations(row.id)))
    if not windows:  # films without a single bone: their middles
        windows = [_window(row, (row.width / 2, row.height / 2), ()) for row in chosen]
    return windows


def _shows(window: Window, label: str) -> bool:
    """Whether a good stretch of such a bone's outline lies well inside."""
    inner = box(24, 24, window.edge - 25, window.edge - 25)
    return any(a.label == label and a.geometry.boundary.intersection(inner).length >= 60 for a in window.annotations)


def _focus(annotation: Annotation, rng: np.random.Generator) -> tuple[float, float]:
    """The middle of a small bone; for one larger than a window, a point of its outline."""
    x0, y0, x1, y1 = annotation.geometry.bounds
    if max(x1 - x0, y1 - y0) <= EDGE - 64:
        return ((x0 + x1) / 2, (y0 + y1) / 2)
    ring = max(polygonal_parts(annotation.geometry), key=lambda p: p.area).exterior
    point = ring.interpolate(float(rng.uniform(0, ring.length)))
    return (point.x, point.y)


def _window(row: SampleRow, focus: tuple[float, float], annotations: Sequence[Annotation]) -> Window:
    edge = min(EDGE, row.width // 12 * 12, row.height // 12 * 12)  # whole blocks at every scale
    x = int(np.clip(round(focus[0] - edge / 2), 0, row.width - edge))
    y = int(np.clip(round(focus[1] - edge / 2), 0, row.height - edge))
    here = box(x, y, x + edge - 1, y + edge - 1)
    own = tuple(
        Annotation(a.label, affinity.translate(a.geometry, -x, -y), a.id)
        for a in annotations
        if a.geometry.intersects(here)
    )
    return Window(row.id, x, y, edge, own)
