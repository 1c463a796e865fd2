"""Films that look like one exposure and lie on two sides of a line: a leak that lineage cannot see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from curate.decisions import REJECTED
from curate.flagged import raised_flags
from curate.manifest import SampleRow, Version
from curate.manifest.splits import fold_label


@dataclass(frozen=True)
class Twins:
    """Two originals of different patients that look like one exposure.

    Attributes:
        a, b: ids. folds: of each, as people read them. why: what says that they are one exposure.
    """

    a: str
    b: str
    folds: tuple[str, str]
    why: str

    def __str__(self) -> str:
        (a, b), (one, two) = (self.a, self.b), self.folds
        where = f"both in fold {one}" if one == two else f"in folds {one} and {two}"
        return f"{b} and {a} hold {self.why} under two patients, {where}"

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def twin_lines(twins: Sequence[Twins], most: int = 20) -> list[str]:
    """The first of them by name, how many more there are, and the way out; nothing where there are none."""
    more = [f"{len(twins) - most} more such films"] if len(twins) > most else []
    way = "`curate flag-outliers`, then `curate drop --flag duplicate --also-evaluation`, keep one of each"
    return [*map(str, twins[:most]), *more, way] if twins else []


def _twins(version: Version, a: str, b: str, why: str) -> Twins:
    one, two = (fold_label(version.fold_of[version.by_id[name].group]) for name in (a, b))
    return Twins(a, b, (one, two), why)


def _same_pixels(version: Version) -> Iterator[list[SampleRow]]:
    """Originals that hold the same pixels, in the order of the table, for each such set."""
    by_pixels: dict[str, list[SampleRow]] = defaultdict(list)
    for row in version.samples:
        if row.is_original and row.pixels is not None:
            by_pixels[row.pixels].append(row)
    return (same for same in by_pixels.values() if len(same) > 1)


def twins_apart(version: Version) -> list[Twins]:
    """Originals with the same pixels, or flagged as (near-)duplicates, whose folds differ.

    The same pixels are seen without any flag; near-duplicates only after ``curate flag-outliers``, and not where a
    person rejected the flag. A suspicion, not a proof: it stops nothing by itself.
    """
    pairs: dict[tuple[str, str], str] = {}
    for first, *others in _same_pixels(version):
        pairs.update(((first.id, other.id), "the same pixels") for other in others)
    by_image = {row.image: row.id for row in version.samples if row.is_original}
    for one in raised_flags(version):
        other = by_image.get(one.partner)
        if other not in (None, one.id) and one.outcome != REJECTED:
            pairs.setdefault((other, one.id), one.flag.why)
    twins = (_twins(version, a, b, why) for (a, b), why in sorted(pairs.items()))
    return [two for two in twins if two.folds[0] != two.folds[1]]


def twins_among(version: Version, new: Collection[str]) -> list[Twins]:
    """Patients who came by the films ``new`` (ids) to the same pixels as another: of each the first such film, beside
    that of the patient who had them before, else of the first of the new ones."""
    found = []
    for same in _same_pixels(version):
        films = sorted(same, key=lambda row: row.id in new)
        of: dict[str, SampleRow] = {}
        for row in films:
            of.setdefault(row.group, row)
        first, *others = of.values()
        found += [_twins(version, first.id, row.id, "the same pixels") for row in others if row.id in new]
    return found
