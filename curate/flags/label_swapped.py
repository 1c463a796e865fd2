"""``label-swapped``: two bones, or two fingers, carry each other's names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from curate.flags.bones import box_of, places_of, regions
from curate.flags.detector import LABELS, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding
from curate.flags.skeleton import BONES, INDEX, RAYS, Placing, load_model, total
from curate.presets import FINGERS

HALF = 6.0
"""How much better (in squared deviations, summed over neighbours) the names must fit when exchanged for a score of
0.5."""

NAMES = ("thumb", "index finger", "middle finger", "ring finger", "little finger")


def _exchanges() -> list[tuple[str, str, tuple[str, ...], np.ndarray]]:
    """(one, other, classes touched, order of bones after the exchange)."""
    found = []
    for a, b in combinations(BONES, 2):
        order = np.arange(len(BONES))
        order[[INDEX[a], INDEX[b]]] = INDEX[b], INDEX[a]
        found.append((a, b, (a, b), order))
    for i, j in combinations(range(len(FINGERS)), 2):
        order = np.arange(len(BONES))
        for a, b in zip(FINGERS[i], FINGERS[j], strict=True):
            order[[INDEX[a], INDEX[b]]] = INDEX[b], INDEX[a]
        found.append((f"the {NAMES[i + 1]}", f"the {NAMES[j + 1]}", FINGERS[i] + FINGERS[j], order))
    for name, ray in zip(NAMES, RAYS, strict=True):
        order = np.arange(len(BONES))
        order[[INDEX[b] for b in ray]] = [INDEX[b] for b in reversed(ray)]
        found.append((f"the bones of the {name}", "their reverse order", ray, order))
    return found


EXCHANGES = _exchanges()
ORDERS = np.stack([e[3] for e in EXCHANGES])


def best_exchange(measure: dict[str, Any]) -> tuple[float, float, int] | None:
    """What the best exchange of names takes from the sum of squared deviations, by what share it brings the bones
    closer (root of that sum), and which it is; ``None`` where the labels are no hand's."""
    known = places_of(measure)
    placing = None if known is None else Placing.of(load_model(), *known)
    if placing is None:
        return None
    there = np.isfinite(placing.at[:, 0])
    possible = np.array([there[[INDEX[b] for b in e[2]]].all() for e in EXCHANGES])
    now = total(load_model(), placing.at, placing.size, placing.mirrored)
    after = total(load_model(), placing.at[ORDERS], placing.size[ORDERS], placing.mirrored)
    gains = np.where(possible, now - after, -np.inf)
    which = int(gains.argmax())
    return float(gains[which]), 1 - float(np.sqrt(after[which] / max(float(now), 1e-9))), which


def judge(films: Sequence[Film], measures: Sequence[dict[str, Any]]) -> list[Finding | None]:
    """Score by the improvement of the best exchange of two names."""
    findings: list[Finding | None] = []
    for m in measures:
        best = best_exchange(m)
        if best is None:
            findings.append(None)
            continue
        gain, closer, which = best
        one, other, touched, _ = EXCHANGES[which]
        score = max(gain, 0.0) / (max(gain, 0.0) + HALF)
        if score >= 0.5:
            why = (
                f"{one} and {other} seem to carry each other's names: exchanged, the bones lie"
                f" {100 * closer:.0f}% closer to where their neighbours place them."
            )
            findings.append(Finding(score, why[0].upper() + why[1:], box_of(m, *touched)))
        else:
            findings.append(Finding(score, "No two bones would fit better with their names exchanged."))
    return findings


DETECTOR = SetDetector("label-swapped", 1, 0.5, LABELS, regions, judge, kept_as="regions")
