"""``duplicate``: the same pixels under another name."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from isal import isal_zlib

from curate.flags.detector import PIXELS, SetDetector
from curate.flags.film import Film
from curate.flags.grid import Grid
from curate.flags.result import Finding


def measure(grids: Sequence[Grid]) -> list[str]:
    """Sizes and checksums (CRC-32) of some grey values, whatever the file format; what agrees on them is compared
    whole."""
    return [f"{g.shape[0]}x{g.shape[1]}:{isal_zlib.crc32(g.cells):08x}" for g in grids]


def _pixels(film: Film) -> str | None:
    """A digest of the grey values; ``None`` where they cannot be had any more."""
    found = None if film.fault is not None else hashlib.sha256(np.ascontiguousarray(film.gray)).hexdigest()
    film.close()
    return found


def _same(films: Sequence[Film], measures: Sequence[str]) -> list[list[int]]:
    """Films that hold the same pixels, for each such set; only of other files with equal checksums are they read
    again."""
    alike: dict[str, list[int]] = defaultdict(list)
    for k, sums in enumerate(measures):
        alike[sums].append(k)
    same: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for sums, members in alike.items():
        one_file = len({films[k].digest for k in members}) == 1
        for k in members:
            same[sums, None if one_file else _pixels(films[k]) or films[k].id].append(k)
    return list(same.values())


def judge(films: Sequence[Film], measures: Sequence[str]) -> list[Finding]:
    """Score 1 for every film but the first of those with the same pixels: dropping the flagged ones keeps one of
    each."""
    findings = [Finding(0.0, "No other film holds these pixels.")] * len(films)
    for first, *copies in _same(films, measures):
        for k in copies:
            name = films[first].image
            findings[k] = Finding(1.0, f"Holds the same pixels as {name}.", None, {"duplicate_of": name})
        if copies:
            findings[first] = Finding(0.4, f"{len(copies)} other film(s) hold these pixels; this one comes first.")
    return findings


DETECTOR = SetDetector("duplicate", 4, 0.5, PIXELS, measure, judge, part=lambda film: film.grid)
