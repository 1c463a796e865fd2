"""``near-duplicate``: the same exposure saved again, shifted, cropped, scaled, turned, mirrored or inverted.

Films that share local features (``signs``, ``lookup``) in one similarity transform (RANSAC, Fischler and Bolles 1981)
are read again and laid over each other; the verdict is the correlation of their fine structure where they overlap. The
other hand, mirrored or not, or the same hand from another angle, does not correlate.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film
from curate.flags.lookup import pairs
from curate.flags.result import Finding
from curate.flags.signs import INVERTED, MIRRORED, at_side, bits_of, changed, features, measure

CLOSE = 72
"""Sum of 128 signs times signs (128: the same, 0: unrelated) from which on two features match: 28 bits differ."""

VOTES = 8
"""Features that agree on one similarity transform from which on two films are laid over each other."""

HALF = 0.72
"""Correlation of fine structure at which the score is 0.5; the same exposure reaches 0.85, unrelated or retaken
films stay under 0.6."""


GRAINY, SOFTEST = 2.4, 1.8
"""Grain at ``SIDE`` from which on films are blurred before they are laid over each other, and by how many pixels at
most; ordinary films reach a grain of 1.7."""


def _spread(bits: np.ndarray) -> np.ndarray:
    """(n, 128) float32 of -1 and 1."""
    return np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1


def _similarity(one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]) -> np.ndarray | None:
    """2x3 similarity from one film's frame to the other's, of their matching features; ``None`` without agreement."""
    (bits_a, at_a), (bits_b, at_b) = one, two
    product = _spread(bits_a) @ _spread(bits_b).T
    a, b = np.nonzero((product >= CLOSE) & (product >= product.max(1, keepdims=True)))
    if len(a) < VOTES:
        return None
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.estimateAffinePartial2D(at_a[a], at_b[b], ransacReprojThreshold=3.0, maxIters=1000)
    if matrix is None or inliers.sum() < VOTES or not 0.2 < np.hypot(*matrix[:, 0]) < 5:
        return None
    return matrix


def grain(gray: np.ndarray) -> float:
    """Standard deviation of a film's grain, in grey values (Immerkaer 1996): what is neither plane nor edge."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(cv2.filter2D(gray, cv2.CV_32F, mask)).mean())


def _fine(gray: np.ndarray) -> np.ndarray:
    value = gray.astype(np.float32)
    blurred = cv2.GaussianBlur(value, (0, 0), 4)
    away = value - blurred
    return away / (np.sqrt(cv2.GaussianBlur(away * away, (0, 0), 6)) + 2.0)


def correlation(a: np.ndarray, b: np.ndarray, matrix: np.ndarray) -> float:
    """Correlation in [-1, 1] of the fine structure of two uint8 films where they overlap, after a refined alignment.

    0 where body overlaps on under a tenth of the smaller film. Where grain covers the fine structure of either, what
    is a little coarser is compared; not elsewhere, since there the two hands of a patient are more alike.
    """
    if (most := max(grain(a), grain(b))) > GRAINY:
        softer = min(0.8 + 0.12 * most, SOFTEST)
        a, b = (cv2.GaussianBlur(film, (0, 0), softer) for film in (a, b))
    scale = float(np.hypot(*matrix[:, 0]))
    if scale > 1:  # the finer film is laid over the coarser one, never the other way round
        a, b, matrix, scale = b, a, cv2.invertAffineTransform(matrix), 1 / scale
    source = cv2.GaussianBlur(a, (0, 0), 0.6 / scale) if scale < 0.8 else a
    first = _agreement(source, b, matrix)
    if not WORTH < first < SURE:
        return first
    try:
        inverse = cv2.invertAffineTransform(matrix).astype(np.float32)
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
        _, inverse = cv2.findTransformECC(
            _byte(_fine(b)), _byte(_fine(source)), inverse, cv2.MOTION_AFFINE, stop, None, 3
        )
    except cv2.error:
        return first  # no better alignment than the features' own
    return max(first, _agreement(source, b, cv2.invertAffineTransform(inverse.astype(np.float64))))


WORTH, SURE = 0.15, 0.85
"""Correlations between which a finer alignment could change the verdict."""


def _agreement(source: np.ndarray, b: np.ndarray, matrix: np.ndarray) -> float:
    size = b.shape[::-1]
    moved = cv2.warpAffine(_fine(source), matrix, size)
    seen = cv2.warpAffine(np.ones(source.shape, np.uint8), matrix, size, flags=cv2.INTER_NEAREST) > 0
    seen &= cv2.erode(seen.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    flat = cv2.GaussianBlur(b.astype(np.float32), (0, 0), 3)
    seen &= flat > np.percentile(flat, 40)  # where there is body; empty film and its grain say nothing
    smaller = min(b.size, source.size * abs(float(np.linalg.det(matrix[:, :2]))))
    if seen.sum() < max(0.04 * b.size, 0.1 * smaller):
        return 0.0
    x, y = moved[seen], _fine(b)[seen]
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / norm) if norm > 0 else 0.0


def _byte(value: np.ndarray) -> np.ndarray:
    return np.clip(value * 40 + 128, 0, 255).astype(np.uint8)


def _score(value: float) -> float:
    return float(1 / (1 + np.exp(-(value - HALF) * 14)))


def _laid_over(later: np.ndarray, earlier: np.ndarray, way: int, matrix: np.ndarray) -> float:
    """Correlation of two films, the later one changed back. Of an inverted pair it is not known which is the negative
    (bright plates at the border mislead), and only bright parts count as body: the better of both."""
    later = changed(later, way)
    value = correlation(later, earlier, matrix)
    return max(value, correlation(255 - later, 255 - earlier, matrix)) if way & INVERTED else value


def _words(way: int, matrix: np.ndarray) -> str:
    """What was done to a copy: the axis of a mirrored one is that of the flip that leaves the least turn."""
    turn = abs(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
    axis = "left to right" if turn < 45 else "upside down" if turn > 135 else "and turned"
    said = [f"mirrored ({axis})"] if way & MIRRORED else []
    return " and ".join([*said, "inverted"] if way & INVERTED else said)


def judge(films: Sequence[Film], measures: Sequence[str]) -> list[Finding]:
    """For each film, the earlier film that it matches best; the first of those alike keeps a score under the
    threshold."""
    seen = [features(m) for m in measures]
    best: dict[int, tuple[float, int, str]] = {}
    recent: dict[int, np.ndarray] = {}

    def small(k: int) -> np.ndarray:
        if k not in recent:
            if len(recent) > 64:
                recent.pop(next(iter(recent)))
            recent[k] = at_side(films[k].small)
            films[k].close()
        return recent[k]

    for later, earlier, way in pairs([bits for bits, _ in seen]):
        bits, at = seen[later]
        if way & MIRRORED:
            at = np.array([small(later).shape[1] - 1, 0], np.float32) + at * np.array([-1, 1], np.float32)
        matrix = _similarity((bits_of(bits, way), at), seen[earlier])
        if matrix is None:
            continue
        value = _laid_over(small(later), small(earlier), way, matrix)
        if later not in best or value > best[later][0]:
            best[later] = (value, earlier, _words(way, matrix))
    return _findings(films, best)


def _findings(films: Sequence[Film], best: dict[int, tuple[float, int, str]]) -> list[Finding]:
    copies = {k: found for k, found in best.items() if _score(found[0]) >= DETECTOR.threshold}
    named: dict[int, int] = {}
    for k in sorted(copies):
        named.setdefault(copies[k][1], k)
    findings = []
    for k in range(len(films)):
        value, partner, how = best.get(k, (-1.0, k, ""))
        name = films[partner].image
        if k in copies:
            how = f"{'An' if how.startswith('i') else 'A'} {how} copy" if how else "A copy"
            why = f"{how} of {name}: laid over it, its fine structure correlates by {value:.2f}."
            told = {"near_duplicate_of": name, "near_duplicate_correlation": round(value, 3)}
            findings.append(Finding(_score(value), why, None, told))
        elif k in named:
            findings.append(Finding(0.4, f"{films[named[k]].image} is the same exposure; this one comes first."))
        else:
            findings.append(Finding(_score(value), "No earlier film is the same exposure."))
    return findings


DETECTOR = SetDetector("near-duplicate", 3, 0.5, PIXELS, measure, judge, dear=True)
