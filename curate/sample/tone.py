"""Bringing the grey levels of one film to those of another, so that two films side by side look exposed alike."""

from __future__ import annotations

import cv2
import numpy as np

from curate.sample.warp import Film

GROUND, SHOWN = (0.5,), (0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""Quantiles that are brought onto each other, of a film's darker and of its lighter part. One in the ground: its levels
lie so close together that two would stretch its noise."""

STEEPEST = 2.0
"""Beyond the outermost knots noise is widened no more than this: in a film whose ground is all but black, level 0 must
not stay black beside a ground that became grey."""

LEAST = 0.01
"""A film of which a part is smaller than this share of it is left as it is."""


def knots(film: Film) -> np.ndarray | None:
    """Levels at those quantiles, the two parts told apart by Otsu's threshold, from a quarter of the film's size.

    Returns:
        float64 (7,), not decreasing; ``None`` for a film that shows next to nothing.
    """
    small = film.level(4)
    threshold, _ = cv2.threshold(small, 0, 255, cv2.THRESH_OTSU)
    parts = [np.sort(small[small <= threshold]), np.sort(small[small > threshold])]
    if min(map(len, parts)) < LEAST * small.size:
        return None
    places = [(np.array(shares) * (len(p) - 1)).astype(int) for p, shares in zip(parts, (GROUND, SHOWN), strict=True)]
    return np.concatenate([p[at] for p, at in zip(parts, places, strict=True)]).astype(np.float64)


def matching_table(film: Film, like: Film) -> np.ndarray | None:
    """Grey levels of one film -> those of another: uint8 (256,), never decreasing; ``None`` when either shows nothing.

    Each knot goes to its fellow, straight in between (histogram specification on few knots: noise and bones keep their
    grain); beyond the outermost ones the levels move along, towards black and white.
    """
    ours, theirs = knots(film), knots(like)
    if ours is None or theirs is None:
        return None
    known, first = np.unique(ours, return_index=True)
    wanted = theirs[first]
    levels = np.arange(256)
    darker, lighter = np.maximum(known[0] - levels, 0), np.maximum(levels - known[-1], 0)
    table = np.interp(levels, known, wanted)
    table -= darker * min(wanted[0] / max(known[0], 1.0), STEEPEST)
    table += lighter * min((255 - wanted[-1]) / max(255 - known[-1], 1.0), STEEPEST)
    return np.rint(table).astype(np.uint8)


def matched(pixels: np.ndarray, film: Film, like: Film) -> np.ndarray:
    """Pixels that came from one film with the levels of another; uint8 of any shape."""
    table = None if film is like else matching_table(film, like)
    return pixels if table is None else cv2.LUT(np.ascontiguousarray(pixels), table)
