"""Films that look like one exposure and lie on two sides of a line: a leak that lineage cannot see."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from curate.flagged import raised_flags
from curate.manifest import SampleRow, Version
from curate.manifest.commit import fold_label
from curate.review.decisions import REJECTED

FLAGS = ("duplicate", "near-duplicate")


@dataclass(frozen=True)
class Twins:
    """Two originals of different patients, on different sides.

    Attributes:
        a, b: ids. folds: of each, as people read them. why: what says that they are one exposure.
    """

    a: str
    b: str
    folds: tuple[str, str]
    why: str

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def twins_apart(version: Version) -> list[Twins]:
    """Originals with the same pixels, or flagged as (near-)duplicates, whose folds differ.

    The same pixels are seen without any flag; near-duplicates only after ``curate flag-outliers``, and not where a
    person rejected the flag. A suspicion, not a proof: it stops nothing by itself.
    """
    films = [r for r in version.samples if r.is_original]
    pairs: dict[tuple[str, str], str] = {}
    by_pixels: dict[str, list[SampleRow]] = defaultdict(list)
    for row in films:
        if row.pixels is not None:
            by_pixels[row.pixels].append(row)
    for same in by_pixels.values():
        for other in same[1:]:
            pairs[same[0].id, other.id] = "the same pixels"
    by_image = {r.image: r for r in films}
    for one in raised_flags(version):
        if one.flag.name in FLAGS and one.outcome != REJECTED:
            for word in re.split(r"\s", one.flag.why):
                other = by_image.get(word.rstrip(".,;"))
                if other is not None and other.id != one.id:
                    pairs.setdefault((other.id, one.id), one.flag.why)
    found = []
    for (a, b), why in sorted(pairs.items()):
        one, two = version.fold_of[version.by_id[a].group], version.fold_of[version.by_id[b].group]
        if one != two:
            found.append(Twins(a, b, (fold_label(one), fold_label(two)), why))
    return found
