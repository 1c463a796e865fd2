"""``label-geometry``: an outline that crosses itself, a sliver, or an area far from what this bone's neighbours
predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from curate.flags.bones import places_of, regions
from curate.flags.detector import LABELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Box, Finding
from curate.flags.skeleton import LINKS, load_model
from curate.presets import HAND_BONES

THIN, NEEDLE = 0.12, 0.03
"""4 pi area / perimeter² under which an outline is a sliver: of a hand's bones, of which the slimmest, a metacarpal
from the side, has 0.25; and of classes of which nothing is known, a vessel or a whole limb among them."""

ENOUGH, UNLIKE = 5, 4.0
"""So many outlines of such a class tell what is usual for it; a sliver is so many times thinner than their median."""

CRUMB = 0.03
"""A part with less than this share of its class's area is a crumb left by a slip of the pen."""

Z_HALF = 4.0
"""Robust standard deviations of log area, by the median over a bone's neighbours, at which the score is 0.5."""


def _area_errors(measure: dict[str, Any]) -> dict[str, float]:
    """Hand bone -> standard deviations of its log area from what its neighbours predict (median over neighbours)."""
    known = places_of(measure)
    if known is None:
        return {}
    _, areas = known
    model = load_model()
    votes: dict[str, list[float]] = {}
    for k, (a, b) in enumerate(LINKS):
        if a in areas and b in areas and model.known[k]:
            z = (np.log(max(areas[a], 1e-6) / max(areas[b], 1e-6)) - model.area[k]) / model.area_sd[k]
            votes.setdefault(a, []).append(z)
            votes.setdefault(b, []).append(-z)
    return {bone: float(np.median(v)) for bone, v in votes.items() if len(v) >= 2}


def _roundness(region: dict[str, Any]) -> float:
    return 4 * np.pi * region["area"] / max(region["perimeter"], 1e-6) ** 2


def _thin(measures: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Class -> roundness under which an outline of it is a sliver."""
    seen: dict[str, list[float]] = {}
    for measure in measures:
        for r in measure.get("regions", ()):
            seen.setdefault(r["label"], []).append(_roundness(r))
    limits = {}
    for label, values in seen.items():
        usual = min(THIN, float(np.median(values)) / UNLIKE) if len(values) >= ENOUGH else NEEDLE
        limits[label] = THIN if label in HAND_BONES else usual
    return limits


def _worst(measure: dict[str, Any], thin: dict[str, float]) -> tuple[float, str, Box | None]:
    found: list[tuple[float, str, Box | None]] = [
        (0.0, "Outlines are whole and of the size that their neighbours predict", None)
    ]
    totals: dict[str, float] = {}
    for r in measure["regions"]:
        totals[r["label"]] = totals.get(r["label"], 0.0) + r["area"]
    for r in measure["regions"]:
        label, box = r["label"], tuple(r["box"])
        if r["crossing"]:
            found.append((1.0, f"The outline of {label} crosses itself", box))
        round_, limit = _roundness(r), thin[label]
        if round_ < limit:
            why = f"{label} is a sliver: {r['area']:.0f} px² within {r['perimeter']:.0f} px of outline"
            found.append((min(1.0, 0.5 + (limit - round_) / (2 * limit)), why, box))
        crumbs = [
            p for p in [*r["parts"][1:], *([r["area"]] if len(r["parts"]) == 1 else [])] if p < CRUMB * totals[label]
        ]
        if crumbs:
            found.append((0.7, f"{label} has a crumb of {min(crumbs):.0f} px² beside its {totals[label]:.0f} px²", box))
    for bone, z in _area_errors(measure).items():
        box = next((tuple(r["box"]) for r in measure["regions"] if r["label"] == bone), None)
        way = "larger" if z > 0 else "smaller"
        score = abs(z) / (abs(z) + Z_HALF)
        found.append((score, f"{bone} is {abs(z):.1f} standard deviations {way} than its neighbours predict", box))
    return max(found, key=lambda f: f[0])


def judge(films: Sequence[Film], measures: Sequence[dict[str, Any]]) -> list[Finding | None]:
    """The worst outline of each film."""
    findings: list[Finding | None] = []
    thin = _thin(measures)
    for m in measures:
        if "fault" in m:
            findings.append(None)
            continue
        score, why, box = _worst(m, thin)
        findings.append(Finding(score, f"{why}.", box if score >= 0.5 else None))
    return findings


DETECTOR = SetDetector("label-geometry", 2, 0.5, LABELS, regions, judge, kept_as="regions")
