"""``near-duplicate``: the same exposure saved again, shifted, cropped, scaled or turned.

Each film is kept as some eighty local features (SIFT, Lowe 2004; rootSIFT, Arandjelovic 2012) of 128 sign bits.
Films that share
features in one similarity transform (RANSAC) are read again and laid over each other; the verdict is the
correlation of their
fine structure where they overlap. The other hand, or the same hand from another angle, does not correlate.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding

SIDE = 320
"""Longest side at which features are found and films compared."""

FEATURES = 96
CLOSE = 84
"""Sum of 128 signs times signs (128: the same, 0: unrelated) from which on two features match: 22 bits differ."""

VOTES = 9
"""Matching features from which on two films are laid over each other."""

HALF = 0.72
"""Correlation of fine structure at which the score is 0.5; the same exposure reaches 0.85, unrelated or retaken
films stay under 0.6."""


def _at_side(gray: np.ndarray) -> np.ndarray:
    scale = SIDE / max(gray.shape)
    size = (max(8, round(gray.shape[1] * scale)), max(8, round(gray.shape[0] * scale)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


@lru_cache(maxsize=1)
def _projection() -> np.ndarray:
    return np.random.default_rng(29).normal(size=(128, 128)).astype(np.float32)


def measure(film: Film) -> str:
    """The features as text: 16 bytes of signs, then x and y in eighths of a pixel at ``SIDE``, for each; then
    base64."""
    gray = cv2.createCLAHE(3.0, (6, 6)).apply(_at_side(film.small))
    points, descriptors = cv2.SIFT_create(nfeatures=FEATURES, contrastThreshold=0.02).detectAndCompute(gray, None)
    if descriptors is None:
        return ""
    root = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))[:FEATURES]
    signs = np.packbits((root - root.mean(1, keepdims=True)) @ _projection() > 0, axis=1)
    places = np.array([p.pt for p in points[:FEATURES]], np.float32)
    places = np.round(places * 8).astype("<i2").view(np.uint8).reshape(len(signs), 4)
    return base64.b64encode(np.hstack([signs, places]).tobytes()).decode()


def _features(measure_: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, 128) float32 of -1 and 1, and (n, 2) places in pixels at ``SIDE``."""
    rows = np.frombuffer(base64.b64decode(measure_), np.uint8).reshape(-1, 20)
    signs = np.unpackbits(rows[:, :16].copy(), axis=1).astype(np.float32) * 2 - 1
    return signs, rows[:, 16:].copy().view("<i2").astype(np.float32) / 8


def _candidates(signs: list[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs of films (later, earlier) with at least ``VOTES`` matching features, at most four partners a film."""
    ends = np.cumsum([len(s) for s in signs])
    starts = ends - [len(s) for s in signs]
    table = np.concatenate(signs) if len(signs) else np.zeros((0, 128), np.float32)
    pairs = []
    for k in range(1, len(signs)):
        if not len(signs[k]) or not starts[k]:
            continue
        close = signs[k] @ table[: starts[k]].T >= CLOSE
        votes = np.array(
            [close[:, a:b].any(1).sum() if b > a else 0 for a, b in zip(starts[:k], ends[:k], strict=True)]
        )
        best = np.argsort(-votes, kind="stable")[:4]
        pairs += [(k, int(j)) for j in best if votes[j] >= VOTES]
    return pairs


def _similarity(a, b) -> np.ndarray | None:
    """2x3 similarity from film a's frame to film b's, of their matching features; ``None`` without agreement."""
    (signs_a, at_a), (signs_b, at_b) = a, b
    product = signs_a @ signs_b.T
    one, two = np.nonzero((product >= CLOSE) & (product >= product.max(1, keepdims=True)))
    if len(one) < VOTES:
        return None
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.estimateAffinePartial2D(at_a[one], at_b[two], ransacReprojThreshold=3.0, maxIters=1000)
    if matrix is None or inliers.sum() < VOTES or not 0.2 < np.hypot(*matrix[:, 0]) < 5:
        return None
    return matrix


def _fine(gray: np.ndarray) -> np.ndarray:
    value = gray.astype(np.float32)
    blurred = cv2.GaussianBlur(value, (0, 0), 4)
    away = value - blurred
    return away / (np.sqrt(cv2.GaussianBlur(away * away, (0, 0), 6)) + 2.0)


def correlation(a: np.ndarray, b: np.ndarray, matrix: np.ndarray) -> float:
    """Correlation in [-1, 1] of the fine structure of two uint8 films where they overlap, after a refined alignment.

    0 where less than a tenth of the smaller film overlaps.
    """
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
    if seen.sum() < 0.04 * b.size:
        return 0.0
    x, y = moved[seen], _fine(b)[seen]
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / norm) if norm > 0 else 0.0


def _byte(value: np.ndarray) -> np.ndarray:
    return np.clip(value * 40 + 128, 0, 255).astype(np.uint8)


def _score(value: float) -> float:
    return float(1 / (1 + np.exp(-(value - HALF) * 14)))


def judge(films: Sequence[Film], measures: Sequence[str]) -> list[Finding]:
    """For each film, the earlier film that it matches best; the first of those alike keeps a score under the
    threshold."""
    features = [_features(m) for m in measures]
    best: list[tuple[float, int] | None] = [None] * len(films)
    named: dict[int, int] = {}
    recent: dict[int, np.ndarray] = {}

    def small(k: int) -> np.ndarray:
        if k not in recent:
            if len(recent) > 64:
                recent.pop(next(iter(recent)))
            recent[k] = _at_side(films[k].small)
            films[k].close()
        return recent[k]

    for later, earlier in _candidates([f[0] for f in features]):
        matrix = _similarity(features[later], features[earlier])
        if matrix is None:
            continue
        value = correlation(small(later), small(earlier), matrix)
        if best[later] is None or value > best[later][0]:
            best[later] = (value, earlier)
    findings = []
    for k, found in enumerate(best):
        if found is not None and _score(found[0]) >= DETECTOR.threshold:
            named.setdefault(found[1], k)
    for k, found in enumerate(best):
        if found is not None and _score(found[0]) >= DETECTOR.threshold:
            why = f"Laid over {films[found[1]].image}, its fine structure correlates by {found[0]:.2f}."
            partner = {"near_duplicate_of": films[found[1]].image, "near_duplicate_correlation": round(found[0], 3)}
            findings.append(Finding(_score(found[0]), why, None, partner))
        elif k in named:
            findings.append(Finding(0.4, f"{films[named[k]].image} is the same exposure; this one comes first."))
        else:
            findings.append(Finding(_score(found[0]) if found else 0.0, "No earlier film is the same exposure."))
    return findings


DETECTOR = SetDetector("near-duplicate", 2, 0.5, PIXELS, measure, judge, dear=True)
