"""``label-edge``: an outline that runs off the bone's visible edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from curate.errors import LabelError
from curate.flags.detector import LABELS, SetDetector
from curate.flags.film import Film
from curate.flags.outline import fits
from curate.flags.result import Box, Finding
from curate.presets import CARPALS, HAND_BONES

USUAL = {True: (0.76, 0.12), False: (0.93, 0.65)}
"""Carpal or not -> fit of a careful outline, and fit at which the score is 0.5. Carpals hide behind each other. The
worst of 35 clean hands (15 real labels, 20 phantoms) scores 0.37; by the tail of these fewer than 2% reach 0.5."""

ENOUGH = 30
"""Films in a set from which on a class's usual fit comes from the set."""


def measure(film: Film) -> dict[str, Any] | None:
    """Class -> share of its outline that lies on a visible edge, and the classes' boxes."""
    try:
        annotations = film.annotations
    except LabelError:
        return None
    if not annotations:
        return None
    boxes = {a.label: [round(float(v), 1) for v in a.geometry.bounds] for a in annotations}
    return {"fits": fits(film.gray, annotations), "boxes": boxes}


def usual(measures: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Class -> (usual fit, fit at which the score is 0.5): the set's median and 5 robust deviations, never milder
    than fixed."""
    known = {bone: USUAL[bone in CARPALS] for bone in HAND_BONES}
    if len(measures) < ENOUGH:
        return known
    for label in {label for m in measures for label in m["fits"]}:
        values = np.array([m["fits"][label] for m in measures if label in m["fits"]])
        if len(values) >= ENOUGH:
            middle = float(np.median(values))
            spread = max(1.4826 * float(np.median(np.abs(values - middle))), 0.04)
            half = middle - 5 * spread
            known[label] = (middle, min(half, known[label][1]) if label in known else half)
    return known


def judge(films: Sequence[Film], measures: Sequence[dict[str, Any]]) -> list[Finding]:
    """The outline that follows its bone least, against what is usual for its class."""
    known = usual(measures)
    findings = []
    for m in measures:
        worst: tuple[float, str] = (0.0, "")
        for label, value in m["fits"].items():
            if label in known:
                best, half = known[label]
                worst = max(worst, (0.5 * (best - value) / (best - half), label))
        score, label = min(max(worst[0], 0.0), 1.0), worst[1]
        if score < 0.5:
            findings.append(Finding(score, "Every outline follows a visible edge as well as is usual for its bone."))
            continue
        box: Box = tuple(m["boxes"][label])
        findings.append(
            Finding(
                score,
                f"Only {100 * max(m['fits'][label], 0):.0f}% of the outline of {label} lies on a visible edge.",
                box,
            )
        )
    return findings


DETECTOR = SetDetector("label-edge", 3, 0.5, LABELS, measure, judge)
