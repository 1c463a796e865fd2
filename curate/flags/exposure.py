"""``exposure``: too dark, too bright or too flat to show the bone; also against the rest of the set."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film, unpadded
from curate.flags.result import Finding

PLATE, DARKEST, FLAT = 250, 200, 4.5
"""Grey value from which a flat patch that touches the film's edge is bare plate beyond the collimator, not body: the
first, or less where a value from the second on is common. Flat: a smaller standard deviation than the third; bone that
reaches the edge has more."""

SIDE, BANDS = 512, 64
"""Longer edge of the grid on which grey values are counted, and of its rows about as many as are looked at: a film's
grey values are much the same on all of them, and most of a large film need not be touched."""

VALUES = np.arange(256)

WHITE, LETTER = 253, 15
"""Grey value from which on a cell of the grid counts as clipped, and how many must be in a row: strokes of letters and
markers are narrower."""

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


def body(gray: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """int64 (256,): how often each grey value occurs in what is neither bare plate nor empty film (the darker part by
    Otsu), given ``counts`` of the whole film."""
    inside = counts - _plates(gray, counts) if counts[DARKEST:].any() else counts
    if inside.sum() < 100 or np.count_nonzero(inside) == 1:
        return inside
    return np.where(_otsu(inside) < VALUES, inside, 0)


def _plates(gray: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """int64 (256,): grey values of the bare plates, bright patches of some size that touch the film's edge; those that
    are not white must be flat."""
    found = np.zeros(256, np.int64)
    if counts[PLATE:].any():
        found += sum(_at_edge(gray, PLATE, 256))
    common = np.convolve(counts[DARKEST:PLATE], np.ones(7), "same")  # of one grey value, but for grain
    if common.max() > 0.01 * gray.size:
        middle = DARKEST + int(common.argmax())
        found += sum(c for c in _at_edge(gray, middle - 8, PLATE) if _spread(c) < FLAT)
    return found


def _at_edge(gray: np.ndarray, low: int, high: int) -> list[np.ndarray]:
    """Grey values of each patch of values from ``low`` to below ``high`` that touches the edge and is larger than
    a hundredth of it."""
    lines = (gray[0], gray[-1], gray[:, 0], gray[:, -1])
    if max(int(line.max()) for line in lines) < low:
        return []
    # without OpenCV's own statistics, which cost more than the patches do
    labels = cv2.connectedComponents(cv2.inRange(gray, low, high - 1), None, 8, cv2.CV_16U)[1]
    at_edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    sizes = np.bincount(labels.ravel())
    chosen = [int(k) for k in at_edge if k and sizes[k] > 0.01 * gray.size]
    return [_counts(gray, cv2.inRange(labels, k, k)) for k in chosen]


def _spread(counts: np.ndarray) -> float:
    """Standard deviation of some grey values."""
    middle = (counts * VALUES).sum() / counts.sum()
    return float(np.sqrt((counts * (VALUES - middle) ** 2).sum() / counts.sum()))


def _otsu(counts: np.ndarray) -> int:
    """The grey value up to which Otsu's method (1979) counts the darker class: the between-class variance is most."""
    below, summed = counts.cumsum(dtype=np.float64), (counts * VALUES).cumsum(dtype=np.float64)
    apart = summed * below[-1] - below * summed[-1]
    return int((apart**2 / np.maximum(below * (below[-1] - below), 1)).argmax())


def bands(gray: np.ndarray) -> np.ndarray:
    """uint8 (n, rows, width): some sixty bands of a film, evenly spaced, as many rows high as make one of ``SIDE``."""
    height, width = gray.shape
    rows = min(max(1, max(gray.shape) // SIDE), height, width)
    n = height // rows
    return np.ascontiguousarray(gray[: n * rows].reshape(n, rows, width)[:: max(1, n // BANDS)])


def averaged(some: np.ndarray) -> np.ndarray:
    """uint8 (n, width / rows): bands averaged over squares."""
    n, rows, width = some.shape
    if rows == 1:
        return some[:, 0]
    across = width // rows
    return cv2.resize(some.reshape(-1, width)[:, : across * rows], (across, n), interpolation=cv2.INTER_AREA)


def _strokes(gray: np.ndarray) -> int:
    """How many white cells belong to letters, markers or wires: nothing as wide as ``LETTER`` is white about them."""
    white = cv2.threshold(gray, WHITE - 1, 1, cv2.THRESH_BINARY)[1]
    whole = cv2.morphologyEx(white, cv2.MORPH_CLOSE, np.ones((1, 3), np.uint8))  # grain makes no letters of a patch
    whole = cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((1, LETTER), np.uint8))
    return int(np.count_nonzero(white > whole))


def noise(rows: np.ndarray) -> float:
    """Mean absolute second difference along some rows, the largest tenth (edges, letters) left out: grain."""
    if rows.shape[1] < 3:
        return 0.0
    second = cv2.convertScaleAbs(cv2.Sobel(rows, cv2.CV_16S, 2, 0, ksize=1)[:, 1:-1])  # 1, -2, 1
    keep = max(int(0.9 * second.size), 1)
    below = np.minimum(_counts(second).cumsum(), keep)  # as many are that small or smaller
    return float((keep - below).sum() / keep)


def measure(film: Film) -> dict[str, float]:
    """Grey values of the body: its 97th percentile, its spread, and the shares clipped at white and at black."""
    some = bands(film.gray)
    gray = averaged(some)
    rows, columns = unpadded(gray)
    step = some.shape[1]
    some = some[rows, :, slice(*(None if n is None else n * step for n in (columns.start, columns.stop)))]
    gray = np.ascontiguousarray(gray[rows, columns])
    everywhere = _counts(gray)
    inside = body(gray, everywhere)
    values = inside if inside.sum() > 50 else everywhere
    ground = (everywhere - inside)[:PLATE]
    strokes = _strokes(gray) if values[WHITE:].any() else 0
    low, middle, high = _quantiles(values, (0.1, 0.5, 0.97))
    return {
        "low": low,
        "middle": middle,
        "high": high,
        "white": max(0.0, float((values[WHITE:].sum() - strokes) / values.sum())),
        "black": float(everywhere[:3].sum() / gray.size),
        "ground": _quantiles(ground, (0.5,))[0] if ground.sum() > 50 else low,
        "noise": noise(some[:, 0]),
    }


def _counts(gray: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    return cv2.calcHist([gray], [0], mask, [256], [0, 256]).ravel().astype(np.int64)


def _quantiles(counts: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    """The grey values that such shares of what was counted do not exceed."""
    total = counts.cumsum()
    return total.searchsorted(np.multiply(shares, total[-1] - 1), side="right").astype(float).tolist()


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
    table = np.array([[np.log(m[k] + add) for k, _, add, _ in RELATIVE] for m in measures])
    centre = np.median(table, axis=0)
    floors = [floor for *_, floor in RELATIVE]
    spread = np.maximum(1.4826 * np.median(np.abs(table - centre), axis=0), floors)
    findings = []
    for m, row in zip(measures, table, strict=True):
        score, why = _absolute(m)
        z = (row - centre) / spread
        far = float(np.sqrt((z**2).sum()))
        relative = 0.5 * far / FAR if len(measures) >= ENOUGH else 0.0
        if relative > score:
            most = int(np.abs(z).argmax())
            way = "above" if z[most] > 0 else "below"
            score, why = (
                relative,
                f"{RELATIVE[most][1]} lies {abs(z[most]):.1f} robust standard deviations {way} the set's",
            )
        score = min(max(score, 0.0), 1.0)
        said = "Exposure looks usual" if score < 0.5 else "Exposure is far from usual"
        findings.append(Finding(score, f"{said}: {why}."))
    return findings


DETECTOR = SetDetector("exposure", 4, 0.5, PIXELS, measure, judge)
