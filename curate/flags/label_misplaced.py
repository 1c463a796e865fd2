"""``label-misplaced``: a region where that bone cannot be, in the frame of the hand that the other bones make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from curate.flags.bones import box_of, places_of, regions
from curate.flags.detector import LABELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.flags.skeleton import BONES, Placing, load_model, off_place

HALF = 16.0
"""Squared deviations from the neighbours' prediction (median over neighbours) at which the score is 0.5."""


def worst(measure: dict[str, Any]) -> tuple[float, str] | None:
    """The bone farthest from where its neighbours have it; ``None`` where the labels are no hand's."""
    known = places_of(measure)
    placing = None if known is None else Placing.of(load_model(), *known)
    if placing is None:
        return None
    off = off_place(load_model(), placing)
    if np.isnan(off).all():
        return None
    k = int(np.nanargmax(off))
    return float(off[k]), BONES[k]


def judge(films: Sequence[Film], measures: Sequence[dict[str, Any]]) -> list[Finding | None]:
    """Score by the bone that lies farthest off."""
    findings: list[Finding | None] = []
    for m in measures:
        found = worst(m)
        if found is None:
            findings.append(None)
            continue
        off, bone = found
        score = off / (off + HALF)
        said = f"{bone} lies {np.sqrt(off):.1f} standard deviations from where its neighbours have it"
        findings.append(
            Finding(
                score,
                f"{said}." if score >= 0.5 else f"Every bone is in its place; at most, {said}.",
                box_of(m, bone) if score >= 0.5 else None,
            )
        )
    return findings


DETECTOR = SetDetector("label-misplaced", 1, 0.5, LABELS, regions, judge, kept_as="regions")
