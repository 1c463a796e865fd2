"""``bent-finger``: fingers bent, crossed or seen from the side."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from curate.anatomy import centroids
from curate.errors import LabelError
from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.result import Box, Finding
from curate.flags.thing import whole_score
from curate.presets import FINGERS

HALF_DEGREES = 35.0
"""Degrees between neighbouring bones of a finger at which the score is 0.5; fingers laid flat reach 20."""

NAMES = ("index finger", "middle finger", "ring finger", "little finger")


def _by_labels(film: Film) -> tuple[float, str, Box] | None:
    """Largest angle between successive steps along one of the four fingers, which finger, and its box."""
    try:
        annotations = film.annotations
    except LabelError:
        return None
    places = centroids(annotations)
    best: tuple[float, str, Box] | None = None
    for name, ray in zip(NAMES, FINGERS, strict=True):
        if not all(bone in places for bone in ray):
            continue
        steps = [places[a] - places[b] for a, b in pairwise(ray)]
        for a, b in pairwise(steps):
            cosine = float(np.dot(a, b) / max(np.hypot(*a) * np.hypot(*b), 1e-9))
            angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
            if best is None or angle > best[0]:
                bounds = np.array([r.geometry.bounds for r in annotations if r.label in ray])
                best = (angle, name, (*bounds[:, :2].min(0), *bounds[:, 2:].max(0)))
    return best


def look(film: Film) -> Finding:
    """From the labels where there are whole fingers, else the judgement of the whole film."""
    found = _by_labels(film) if film.labelled else None
    if found is not None:
        angle, name, box = found
        score = angle / (angle + HALF_DEGREES)
        return Finding(score, f"The {name} bends by {angle:.0f} degrees.", box if score >= 0.5 else None)
    if whole_score("not-a-hand", film) >= 0.5:
        return Finding(0.0, "There is no hand whose fingers could be bent.")
    score = whole_score("bent", film)
    return Finding(score, "The fingers are bent or seen from the side." if score >= 0.5 else "The fingers lie flat.")


DETECTOR = FilmDetector("bent-finger", 5, 0.5, PIXELS, look, dear=True)
