"""What a split balances: sex, age band and whether the hand is turned, one stratum a patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from curate.manifest.row import SampleRow

TURNED = 30.0
"""Degrees from upright beyond which a film counts as turned when patients are balanced over folds."""


def is_turned(row: SampleRow) -> bool:
    """Whether a film's fingers point more than ``TURNED`` degrees away from up."""
    angle = row.meta.get("fingers_deg")
    return angle is not None and min(angle, 360 - angle) > TURNED


def strata_of(rows: Iterable[SampleRow]) -> dict[str, tuple]:
    """group -> (sex, age band, any film turned), each "?" where unknown; ages in bands of 15 years."""
    films: dict[str, list[SampleRow]] = defaultdict(list)
    for row in rows:
        if row.is_original:
            films[row.group].append(row)
    strata = {}
    for group, members in sorted(films.items()):
        meta = members[0].meta
        age = meta.get("age")
        strata[group] = (meta.get("sex", "?"), "?" if age is None else int(age // 15), any(map(is_turned, members)))
    return strata
