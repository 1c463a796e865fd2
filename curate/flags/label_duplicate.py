"""``label-duplicate``: one bone labelled twice, or two names for the same outline."""

from __future__ import annotations

from itertools import combinations

from curate.errors import LabelError
from curate.flags.bones import overlap
from curate.flags.detector import LABELS, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.presets import HAND_BONES

SAME_CLASS = 0.3
OTHER_CLASS = 0.75
"""Intersection over union from which on two regions are one: Trapezium over Trapezoid reaches 0.5 on oblique films."""


def look(film: Film) -> Finding | None:
    """The worst pair of regions: the same class twice on one bone, or two classes with one outline."""
    try:
        annotations = film.annotations
    except LabelError:
        return None
    worst = Finding(0.0, "No region is labelled twice.")
    for a, b in combinations(annotations, 2):
        if a.source is not None and a.source != b.source:
            continue  # parts of different parents in one derived film
        (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.geometry.bounds, b.geometry.bounds
        apart = ax1 < bx0 or bx1 < ax0 or ay1 < by0 or by1 < ay0
        if a.label == b.label and a.label in HAND_BONES and a.source is None and worst.score < 0.8:
            worst = Finding(0.8, f"{a.label} is labelled more than once; a hand has one.", b.geometry.bounds)
        if apart:
            continue
        share = overlap(a, b)
        limit = SAME_CLASS if a.label == b.label else OTHER_CLASS
        score = min(1.0, 0.5 * share / limit)
        if score > worst.score:
            names = f"{a.label} twice" if a.label == b.label else f"{a.label} and {b.label}"
            worst = Finding(score, f"{names}: the outlines share {100 * share:.0f}% of their area.", a.geometry.bounds)
    return worst


DETECTOR = FilmDetector("label-duplicate", 1, 0.5, LABELS, look)
