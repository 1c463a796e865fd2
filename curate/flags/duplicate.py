"""``duplicate``: the same pixels under another name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding


def measure(film: Film) -> str:
    """Digest of size and grey values, whatever the file format."""
    gray = film.gray
    digest = hashlib.sha256(b"%dx%d" % gray.shape)  # processors have instructions for this one
    digest.update(np.ascontiguousarray(gray))
    return digest.hexdigest()[:32]


def judge(films: Sequence[Film], measures: Sequence[str]) -> list[Finding]:
    """Score 1 for every film but the first of those with the same pixels: dropping the flagged ones keeps one of
    each."""
    first: dict[str, int] = {}
    times = Counter(measures)
    findings = []
    for k, digest in enumerate(measures):
        original = first.setdefault(digest, k)
        if original != k:
            same = films[original].image
            findings.append(Finding(1.0, f"Holds the same pixels as {same}.", None, {"duplicate_of": same}))
        else:
            copies = times[digest] - 1
            first_of = f"{copies} other film(s) hold these pixels; this one comes first."
            why = first_of if copies else "No other film holds these pixels."
            findings.append(Finding(0.4 if copies else 0.0, why))
    return findings


DETECTOR = SetDetector("duplicate", 2, 0.5, PIXELS, measure, judge)
