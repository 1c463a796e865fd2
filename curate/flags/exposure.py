"""``exposure``: too dark, too bright or too flat to show the bone; also against the rest of the set."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding

PLATE, DARKEST, FLAT = 250, 200, 4.5
"""Grey value from which a flat patch that touches the film's edge is bare plate beyond the collimator, not body: the
first, or less where a value from the second on is common. Flat: a smaller standard deviation than the third; bone that
reaches the edge has more."""

LARGE = 0.01
"""Share of the cells from which on a bright patch at the film's edge has some size."""

SOME = 50
"""Cells of which grey values are told, or more; of fewer, those of the whole film."""

SECOND = np.array([[1.0, -2.0, 1.0]], np.float32)
"""Filter that gives the second difference along a row."""

WHITE, LETTER, FEW = 253, 15, 0.002
"""Grey value from which on a cell of the grid counts as clipped; how many must be in a row: strokes of letters and
markers are narrower; and the share of clipped cells that is not worth a look for strokes."""

RELATIVE = (
    ("middle", "the body's middle grey value", 5.0, 0.2),
    ("high", "the body's brightest grey value", 5.0, 0.15),
    ("ground", "the grey value of empty film", 8.0, 0.25),
    ("white", "the share clipped at white", 0.02, 0.5),
    ("noise", "the grain", 0.3, 0.25),
)
"""Measures whose logarithms are compared within a set: name, words, what is added first, least spread."""

FAR = 4.0
"""Robust standard deviations, all measures together, from the set's middle at which the score is 0.5."""

ENOUGH = 12
"""Films in a set from which on the set says what is usual."""


def body(cells: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, int]:
    """What is neither bare plate nor empty film, by grey values.

    Args:
        total: of all ``cells``, how many are no brighter than each grey value, int64 (256,).

    Returns:
        ``total`` of those that are no plate, and the grey value above which they are body (by Otsu), or -1 where they
        all are.
    """
    if plates := _plates(cells, total):
        cells = cells[np.logical_and.reduce([patch == 0 for patch in plates])]
        total = _no_brighter(cells) if cells.size else np.zeros_like(total)
    if cells.size < 2 * SOME:
        return total, -1
    return total, int(cv2.threshold(cells, 0, 255, cv2.THRESH_OTSU)[0])


def _plates(cells: np.ndarray, total: np.ndarray) -> list[np.ndarray]:
    """Masks of the bare plates, bright patches of some size that touch the film's edge; those that are not white must
    be flat."""
    patches, enough = [], LARGE * cells.size
    if total[-1] - total[PLATE - 1] > enough:
        patches = _at_edge(cells, PLATE, 256)
    common = total[DARKEST + 6 : PLATE] - total[DARKEST - 1 : PLATE - 7]  # of seven values from each on: there is grain
    peak = int(common.argmax())
    if common[peak] > enough:
        bright = _at_edge(cells, DARKEST + peak + 3 - 8, PLATE)  # from a little under the middle one
        patches += [patch for patch in bright if cv2.meanStdDev(cells, mask=patch)[1].item() < FLAT]
    return patches


def _at_edge(cells: np.ndarray, low: int, high: int) -> list[np.ndarray]:
    """A mask of each patch of values from ``low`` to below ``high`` that touches the edge and is ``LARGE``."""
    there = cv2.inRange(cells, low, high - 1)
    if not any(line.any() for line in _edges(there)):
        return []
    # without OpenCV's own statistics, which cost more than the patches do
    labels = cv2.connectedComponents(there, None, 8, cv2.CV_16U)[1]
    large = np.flatnonzero(np.bincount(labels.ravel()) > LARGE * cells.size).tolist()
    return [cv2.inRange(labels, k, k) for k in large if k and any((line == k).any() for line in _edges(labels))]


def _edges(grid: np.ndarray) -> tuple[np.ndarray, ...]:
    return grid[0], grid[-1], grid[:, 0], grid[:, -1]


def _strokes(gray: np.ndarray) -> float:
    """The share of white cells that belong to letters, markers or wires: nothing as wide as ``LETTER`` is white about
    them."""
    white = cv2.threshold(gray, WHITE - 1, 1, cv2.THRESH_BINARY)[1]
    whole = cv2.morphologyEx(white, cv2.MORPH_CLOSE, np.ones((1, 3), np.uint8))  # grain makes no letters of a patch
    whole = cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((1, LETTER), np.uint8))
    return np.count_nonzero(white > whole) / gray.size


def noise(rows: np.ndarray) -> float:
    """Mean absolute second difference along some rows, the largest tenth (edges, letters) left out: grain."""
    if rows.shape[1] < 3:
        return 0.0
    second = cv2.convertScaleAbs(cv2.filter2D(rows, cv2.CV_16S, SECOND)[:, 1:-1])
    total, keep = np.bincount(second.ravel()).cumsum(), max(int(0.9 * second.size), 1)
    largest = int(total.searchsorted(keep))  # of those kept; each is as large as the number of values below it
    return largest - int(total[:largest].sum()) / keep


def measure(film: Film) -> dict[str, float]:
    """Grey values of the body: its 97th percentile, its spread, and the shares clipped at white and at black."""
    gray, cells, lines = film.grid
    everywhere = _no_brighter(cells)
    total, dark = body(cells, everywhere)
    ground = int(total[dark]) if dark >= 0 else 0
    n, below = int(total[-1]) - ground, ground
    if n <= SOME:
        total, n, below = everywhere, cells.size, 0
    shares = [below + share * (n - 1) for share in (0.1, 0.5, 0.97)]
    low, middle, high, empty = total.searchsorted([*shares, 0.5 * (ground - 1)], side="right").tolist()
    white = int(total[-1] - total[WHITE - 1])
    if white > FEW * n:
        white = max(0.0, white - cells.size * _strokes(gray))
    return {
        "low": low,
        "middle": middle,
        "high": high,
        "white": white / n,
        "black": int(everywhere[2]) / cells.size,
        "ground": empty if ground > SOME else low,
        "noise": noise(lines),
    }


def _no_brighter(gray: np.ndarray) -> np.ndarray:
    """int64 (256,): how many are no brighter than each grey value."""
    return np.bincount(gray.ravel(), minlength=256).cumsum()


def _absolute(m: dict[str, float]) -> tuple[float, str]:
    """Score 0.5 where the film is as dark, bright or flat as hardly any usable one."""
    dark = 55 / max(m["high"], 1) - 0.5
    bright = m["white"] / 0.3
    flat = 18 / max(m["high"] - m["low"], 1) - 0.5
    return max(
        (dark, f"the body's bright parts reach only grey value {m['high']:.0f}"),
        (bright, f"{100 * m['white']:.0f}% of the body is clipped at white"),
        (flat, f"the body spans only {m['high'] - m['low']:.0f} grey values"),
    )


def judge(films: Sequence[Film], measures: Sequence[dict[str, float]]) -> list[Finding]:
    """The larger of an absolute score and, in a set, of one by robust standard deviations from the set's median."""
    names, words, added, least = zip(*RELATIVE, strict=True)
    table = np.log(np.array([[m[name] for name in names] for m in measures]) + added)
    centre = np.median(table, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(table - centre), axis=0), least)
    away = (table - centre) / spread
    far = np.sqrt((away**2).sum(axis=1)) if len(measures) >= ENOUGH else np.zeros(len(measures))
    most = np.abs(away).argmax(axis=1)
    findings = []
    for m, row, relative, k in zip(measures, away.tolist(), (0.5 * far / FAR).tolist(), most.tolist(), strict=True):
        score, why = _absolute(m)
        if relative > score:
            way = "above" if row[k] > 0 else "below"
            score, why = relative, f"{words[k]} lies {abs(row[k]):.1f} robust standard deviations {way} the set's"
        score = min(max(score, 0.0), 1.0)
        said = "Exposure looks usual" if score < 0.5 else "Exposure is far from usual"
        findings.append(Finding(score, f"{said}: {why}."))
    return findings


DETECTOR = SetDetector("exposure", 5, 0.5, PIXELS, measure, judge)
