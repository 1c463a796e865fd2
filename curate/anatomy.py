"""The hand's own frame, from its labels: where the fingers point and which hand it is."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from curate.presets import CARPALS, FINGERS, FOREARM, METACARPALS, THUMB
from curate.sample.annotation import Annotation


def centroids(annotations: Iterable[Annotation]) -> dict[str, np.ndarray]:
    """Class -> centroid (x, y) in pixels of all its regions, weighted by area."""
    sums: dict[str, np.ndarray] = {}
    for a in annotations:
        c, area = a.geometry.centroid, a.geometry.area
        sums[a.label] = sums.get(a.label, np.zeros(3)) + np.array([c.x * area, c.y * area, area])
    return {label: total[:2] / total[2] for label, total in sums.items() if total[2] > 0}


def _mean(places: dict[str, np.ndarray], names: Iterable[str]) -> np.ndarray | None:
    found = [places[n] for n in names if n in places]
    return np.mean(found, axis=0) if found else None


def hand_axis(annotations: Iterable[Annotation]) -> np.ndarray | None:
    """Unit vector in pixels (x right, y down) from the wrist towards the fingers; ``None`` without enough bones.

    The mean direction of the long bones of index to little finger (metacarpal to proximal phalanx, each bone to the
    next), which a bent thumb or wrist does not turn; else from the carpals or the forearm to whatever finger bones
    there are.
    """
    places = centroids(annotations)
    steps = []
    for finger in FINGERS:
        if finger[3] in places and finger[2] in places:
            steps.append(places[finger[2]] - places[finger[3]])
    if not steps:
        root = _mean(places, CARPALS)
        root = _mean(places, FOREARM) if root is None else root
        tip = _mean(places, (bone for finger in FINGERS for bone in finger))
        if root is None or tip is None:
            return None
        steps = [tip - root]
    total = np.sum([s / max(np.linalg.norm(s), 1e-9) for s in steps], axis=0)
    length = float(np.linalg.norm(total))
    return total / length if length > 1e-6 else None


def fingers_deg(annotations: Iterable[Annotation]) -> float | None:
    """Where the fingers point: degrees clockwise from up in [0, 360)."""
    axis = hand_axis(annotations)
    return None if axis is None else math.degrees(math.atan2(axis[0], -axis[1])) % 360.0


def side_of(annotations: Iterable[Annotation]) -> str | None:
    """``"right"`` when the radius lies left of the ulna in the hand's own frame (fingers up), else ``"left"``.

    The thumb lies on the radius's side, and so does the index finger of the little finger; the three votes are
    added up in pixels, so that the wider pair decides. ``None`` when no pair is there.
    """
    annotations = list(annotations)
    axis = hand_axis(annotations)
    if axis is None:
        return None
    across = np.array([-axis[1], axis[0]])  # to the right when the fingers point up
    places = centroids(annotations)
    votes = 0.0
    pairs = (
        (FOREARM[:1], FOREARM[1:]),
        (THUMB, FINGERS[3]),
        (METACARPALS[1:2], METACARPALS[4:]),
    )
    for radial, ulnar in pairs:
        a, b = _mean(places, radial), _mean(places, ulnar)
        if a is not None and b is not None:
            votes += float(np.dot(b - a, across))
    return None if votes == 0 else ("right" if votes > 0 else "left")
