"""``exposure``: too dark, too bright or too flat to show the bone; also against the rest of the set."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding

PLATE = 250
"""Grey value from which a patch that touches the film's edge is bare plate beyond the collimator, not body."""

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


def body(gray: np.ndarray) -> np.ndarray:
    """bool: what is neither bare plate nor empty film (the darker part by Otsu), on a small copy of the film."""
    plate = (gray >= PLATE).astype(np.uint8)
    if not plate.any():
        level, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        return gray > level if gray.min() < gray.max() else np.ones(gray.shape, bool)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(plate)
    height, width = gray.shape
    edge = (
        (stats[:, 0] == 0)
        | (stats[:, 1] == 0)
        | (stats[:, 0] + stats[:, 2] == width)
        | (stats[:, 1] + stats[:, 3] == height)
    )
    thick = stats[:, cv2.CC_STAT_AREA] > 0.01 * gray.size
    keep = np.ones(len(stats), bool)
    keep[1:] = ~(edge & thick)[1:]
    inside = keep[labels]
    values = gray[inside]
    if len(values) < 100 or values.min() == values.max():
        return inside
    level, _ = cv2.threshold(values.reshape(1, -1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return inside & (gray > level)


def noise(gray: np.ndarray) -> float:
    """Mean absolute second difference along every eighth row, the largest tenth (edges, letters) left out: grain."""
    rows = gray[::8].astype(np.int16)
    second = np.abs(rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2]).ravel()
    if not len(second):
        return 0.0
    counts = np.bincount(second, minlength=2)
    keep = int(0.9 * len(second))
    below = np.minimum(np.cumsum(counts), keep)
    return float((np.diff(below, prepend=0) * np.arange(len(counts))).sum() / max(keep, 1))


def measure(film: Film) -> dict[str, float]:
    """Grey values of the body: its 97th percentile, its spread, and the shares clipped at white and at black."""
    gray = film.small
    here = body(gray)
    everywhere, inside = (_counts(gray, mask) for mask in (None, here.view(np.uint8)))
    values = inside if inside.sum() > 50 else everywhere
    ground = (everywhere - inside)[:PLATE]
    low, middle, high = (_quantile(values, q) for q in (0.1, 0.5, 0.97))
    top = int(np.flatnonzero(everywhere)[-1])
    return {
        "low": low,
        "middle": middle,
        "high": high,
        "white": float(values[253:].sum() / values.sum()) if top >= 253 else 0.0,
        "black": float(everywhere[:3].sum() / gray.size),
        "ground": _quantile(ground, 0.5) if ground.sum() > 50 else low,
        "noise": noise(film.gray),
    }


def _counts(gray: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return cv2.calcHist([gray], [0], mask, [256], [0, 256]).ravel().astype(np.int64)


def _quantile(counts: np.ndarray, q: float) -> float:
    """The grey value that a share ``q`` of what was counted does not exceed."""
    total = np.cumsum(counts)
    return float(np.searchsorted(total, q * (total[-1] - 1), side="right"))


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


DETECTOR = SetDetector("exposure", 2, 0.5, PIXELS, measure, judge)
