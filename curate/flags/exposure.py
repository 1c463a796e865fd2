"""``exposure``: too dark, too bright or too flat to show the bone; also against the rest of the set."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film
from curate.flags.grid import Grid
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


def _without_plates(cells: Sequence[np.ndarray], total: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Each film's cells that are no bare plate, by grey values, and how many of them are no brighter than each."""
    bare, total = list(cells), total.copy()
    enough = LARGE * total[:, -1]
    white = total[:, -1] - total[:, PLATE - 1] > enough
    # of seven values from each on: there is grain
    common = total[:, DARKEST + 6 : PLATE] - total[:, DARKEST - 1 : PLATE - 7]
    peak, dull = common.argmax(axis=1), common.max(axis=1) > enough
    for k in np.flatnonzero(white | dull).tolist():
        plates = _at_edge(cells[k], PLATE, 256) if white[k] else []
        if dull[k]:
            plates += _flat(cells[k], DARKEST + int(peak[k]) + 3)
        if plates:
            bare[k] = cells[k][~np.logical_or.reduce(plates)]
            total[k] = _no_brighter(bare[k : k + 1])
    return bare, total


def _flat(cells: np.ndarray, level: int) -> list[np.ndarray]:
    """Masks of the plates that are not white, from a little under ``level`` on: they must be flat."""
    bright = _at_edge(cells, level - 8, PLATE)
    return [patch for patch in bright if cv2.meanStdDev(cells, mask=patch.view(np.uint8))[1].item() < FLAT]


def _at_edge(cells: np.ndarray, low: int, high: int) -> list[np.ndarray]:
    """A mask of each patch of values from ``low`` to below ``high`` that touches the edge and is ``LARGE``."""
    there = (cells >= low) & (cells < high)
    if not _edge(there).any():
        return []
    # OpenCV's own statistics cost more than the patches do
    labels = cv2.connectedComponents(there.view(np.uint8), None, 8, cv2.CV_16U)[1]
    patches = [labels == k for k in np.flatnonzero(np.bincount(_edge(labels))).tolist() if k]
    return [patch for patch in patches if np.count_nonzero(patch) > LARGE * cells.size]


def _edge(grid: np.ndarray) -> np.ndarray:
    return np.concatenate([grid[0], grid[-1], grid[:, 0], grid[:, -1]])


def _strokes(gray: np.ndarray) -> float:
    """The share of white cells that belong to letters, markers or wires: nothing as wide as ``LETTER`` is white about
    them."""
    white = cv2.threshold(gray, WHITE - 1, 1, cv2.THRESH_BINARY)[1]
    whole = cv2.morphologyEx(white, cv2.MORPH_CLOSE, np.ones((1, 3), np.uint8))  # grain makes no letters of a patch
    whole = cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((1, LETTER), np.uint8))
    return np.count_nonzero(white > whole) / gray.size


def noise(rows: Sequence[np.ndarray]) -> np.ndarray:
    """float64 (n,): of each of some arrays the mean absolute second difference along its rows, the largest tenth
    (edges, letters) left out: grain."""
    total = _no_brighter([_second_difference(r) for r in rows])
    keep = np.maximum((0.9 * total[:, -1:]).astype(int), 1)
    below = total < keep
    largest = below.sum(axis=1)  # of those kept; each is as large as the number of values below it
    return np.where(total[:, -1] > 0, largest - np.where(below, total, 0).sum(axis=1) / keep[:, 0], 0.0)


def _second_difference(rows: np.ndarray) -> np.ndarray:
    if rows.shape[1] < 3:
        return np.empty((0, 0), np.uint8)
    return cv2.convertScaleAbs(cv2.filter2D(rows, cv2.CV_16S, SECOND)[:, 1:-1])


def measure(grids: Sequence[Grid]) -> list[dict[str, float]]:
    """Grey values of each film's body: its 97th percentile, its spread, and the shares clipped at white and at black.

    Body is what is brighter than the empty film (by Otsu) and no plate; all of the film where that is next to nothing.
    """
    cells = [grid.cells for grid in grids]
    everywhere, each = _no_brighter(cells), np.arange(len(grids))
    bare, total = _without_plates(cells, everywhere)
    told = [k for k in each if bare[k].size >= 2 * SOME]
    ground = np.zeros(len(grids), int)
    ground[told] = total[told, [int(cv2.threshold(bare[k], 0, 255, cv2.THRESH_OTSU)[0]) for k in told]]
    below, few = ground.copy(), total[:, -1] - ground <= SOME
    total[few], below[few] = everywhere[few], 0
    n = total[:, -1] - below
    at = np.stack([*(below + share * (n - 1) for share in (0.1, 0.5, 0.97)), 0.5 * (ground - 1)], axis=1)
    low, middle, high, empty = (total[:, None] <= at[..., None]).sum(axis=2).T
    white = (total[:, -1] - total[:, WHITE - 1]).astype(float)
    for k in np.flatnonzero(white > FEW * n):
        white[k] = max(0.0, white[k] - cells[k].size * _strokes(grids[k].gray))
    measures = {
        "low": low,
        "middle": middle,
        "high": high,
        "white": white / n,
        "black": everywhere[:, 2] / everywhere[:, -1],
        "ground": np.where(ground > SOME, empty, low),
        "noise": noise([grid.lines for grid in grids]),
    }
    rows = zip(*(values.tolist() for values in measures.values()), strict=True)
    return [dict(zip(measures, row, strict=True)) for row in rows]


def _no_brighter(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """int64 (n, 256): of the values of each uint8 array, how many are no brighter than each grey value."""
    return np.array([np.bincount(a.ravel(), minlength=256) for a in arrays]).cumsum(axis=1)


def _absolute(m: dict[str, float]) -> tuple[float, str]:
    """Score 0.5 where the film is as dark, bright or flat as hardly any usable one."""
    high, span, white = m["high"], m["high"] - m["low"], m["white"]
    dark, bright, flat = 55 / max(high, 1) - 0.5, white / 0.3, 18 / max(span, 1) - 0.5
    if dark >= max(bright, flat):
        return dark, f"the body's bright parts reach only grey value {high:.0f}"
    if bright >= flat:
        return bright, f"{100 * white:.0f}% of the body is clipped at white"
    return flat, f"the body spans only {span:.0f} grey values"


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


DETECTOR = SetDetector("exposure", 5, 0.5, PIXELS, measure, judge, part=lambda film: film.grid)
