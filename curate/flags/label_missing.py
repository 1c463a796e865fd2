"""``label-missing``: a class that the other films of the set have, or that a hand has, is not labelled here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from curate.errors import LabelError
from curate.flags.bones import FEW
from curate.flags.detector import LABELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.presets import HAND_BONES

ENOUGH = 5
"""Labelled films in a set from which on the set says which classes a film has."""

USUAL = 0.6
"""Share of the films that have a class from which on it is missed where it is not."""


def measure(film: Film) -> dict[str, Any]:
    """The classes labelled, and those that there are; or why the labels cannot be read."""
    try:
        return {"has": sorted({a.label for a in film.annotations}), "classes": list(film.classes)}
    except LabelError as error:
        return {"fault": error.detail}


def expected(measures: Sequence[dict[str, Any]]) -> set[str]:
    """Classes that most films of the set have."""
    read = [m for m in measures if "fault" not in m]
    counts = Counter(label for m in read for label in m["has"])
    return {label for label, n in counts.items() if len(read) >= ENOUGH and n >= USUAL * len(read)}


def judge(films: Sequence[Film], measures: Sequence[dict[str, Any]]) -> list[Finding]:
    """Score 1 for labels that cannot be read; from 0.6 upwards with each class missing."""
    usual = expected(measures)
    findings = []
    for m in measures:
        if "fault" in m:
            findings.append(Finding(1.0, f"The labels cannot be read: {m['fault']}."))
            continue
        hand = (
            set(HAND_BONES)
            if len(set(m["has"]) & set(HAND_BONES)) >= FEW or set(HAND_BONES) <= set(m["classes"])
            else set()
        )
        order = {c: k for k, c in enumerate(m["classes"] or HAND_BONES)}
        missing = sorted((usual | hand) - set(m["has"]), key=lambda c: (order.get(c, len(order)), c))
        if missing:
            shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
            findings.append(Finding(min(1.0, 0.55 + 0.05 * len(missing)), f"Not labelled: {shown}."))
        else:
            findings.append(Finding(0.0, f"All {len(m['has'])} classes expected here are labelled."))
    return findings


DETECTOR = SetDetector("label-missing", 1, 0.5, LABELS, measure, judge)
