"""``bent-wrist``: the hand's axis is turned against the forearm's."""

from __future__ import annotations

import numpy as np

from curate.anatomy import hand_axis
from curate.errors import LabelError
from curate.flags.detector import PIXELS, FilmDetector
from curate.flags.film import Film
from curate.flags.perception import Perception
from curate.flags.result import Box, Finding
from curate.presets import FOREARM

HALF = 28.0
"""Degrees between hand and forearm at which the score is 0.5; a hand laid down at ease has up to 15."""

MIN_CELLS = 30

AGREE = 0.8
"""Length of the sum of a limb's arrows over the sum of their lengths under which they do not tell its axis."""


def _forearm_axis(annotations) -> np.ndarray | None:
    """Unit vector up the shafts of radius and ulna towards the hand: the longest axis of both regions together."""
    bones = [a.geometry for a in annotations if a.label in FOREARM]
    if len(bones) < 2:
        return None
    axes = []
    for bone in bones:
        corners = np.array(bone.minimum_rotated_rectangle.exterior.coords[:4])
        sides = np.diff(np.vstack([corners, corners[:1]]), axis=0)
        lengths = np.hypot(*sides.T)
        if lengths.max() < 1.4 * lengths.min():
            return None  # cut off so short that its axis cannot be told
        axes.append(sides[lengths.argmax()] / lengths.max())
    total = axes[0] + axes[1] * np.sign(np.dot(axes[0], axes[1]))
    return total / np.hypot(*total)


def _by_labels(film: Film) -> float | None:
    try:
        annotations = film.annotations
    except LabelError:
        return None
    hand, arm = hand_axis(annotations), _forearm_axis(annotations)
    if hand is None or arm is None:
        return None
    return float(np.degrees(np.arccos(np.clip(abs(np.dot(hand, arm)), 0, 1))))


def _axis(seen: Perception, cells: np.ndarray, name: str) -> np.ndarray | None:
    """Unit vector of the direction that cells of the hand or the forearm point to; ``None`` where they disagree. How
    long their arrows are does not count: on hands that fill the film all are short."""
    weight = seen.layer(name)[cells]
    arrows = np.stack([seen.layers[f"direction-{k}"][cells] * weight for k in "xy"])
    total = arrows.sum(1)
    length = float(np.hypot(*total))
    return total / length if length > AGREE * float(np.hypot(*arrows).sum()) > 0 else None


def _by_picture(film: Film) -> tuple[float, Box] | None:
    seen = film.seen
    arm = (seen.layer("forearm") > 0.5) & ~seen.hand
    if seen.hand.sum() < MIN_CELLS or arm.sum() < MIN_CELLS:
        return None
    rows, cols = np.nonzero(seen.hand)
    reach = 1.2 * np.sqrt(len(rows))
    y, x = np.indices(arm.shape)
    arm &= np.hypot(y - rows.mean(), x - cols.mean()) < 2.2 * reach  # this hand's forearm, not a helper's
    hand, arm_up = (_axis(seen, cells, name) for cells, name in ((seen.hand, "hand"), (arm, "forearm")))
    if hand is None or arm_up is None or arm.sum() < MIN_CELLS:
        return None
    both = seen.hand | arm
    rows, cols = np.nonzero(both)
    box = seen.in_pixels(cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
    return float(np.degrees(np.arccos(np.clip(np.dot(hand, arm_up), -1, 1)))), box


def look(film: Film) -> Finding | None:
    """Angle between hand and forearm, from the labels where they have both, else from the picture."""
    box: Box | None = None
    angle = _by_labels(film) if film.labelled else None
    if angle is None:
        found = _by_picture(film)
        if found is None:
            return Finding(0.0, "Hand and forearm are not both there to compare.")
        angle, box = found
    score = angle / (angle + HALF)
    why = f"The hand is turned {angle:.0f} degrees against the forearm."
    return Finding(score, why, box if score >= 0.5 else None, {"wrist_deg": round(angle, 1)})


DETECTOR = FilmDetector("bent-wrist", 6, 0.5, PIXELS, look, dear=True)
