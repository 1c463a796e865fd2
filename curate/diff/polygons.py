"""Which annotation of one label file is which of another, and how far it moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import shapely

from curate.sample.annotation import Annotation

RENAMED = 0.5
"""An annotation that left and one of another class that came are one renamed annotation from this IoU on."""


@dataclass(frozen=True)
class Change:
    """One annotation that is not as it was.

    Attributes:
        id: of the sample. label: class, as it is now (as it was, when removed).
        kind: ``moved``, ``renamed``, ``added`` or ``removed``. was: the class before a renaming.
        annotation: id of the annotation. iou: of before and after, 0 where there is one only.
        hausdorff: largest distance of one outline from the other, in pixels; ``None`` where there is one only.
    """

    id: str
    label: str
    kind: str
    annotation: str
    iou: float
    hausdorff: float | None
    was: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As ``curate diff --json`` prints it."""
        fields = dict(vars(self))
        return {"id": fields.pop("id"), "class": fields.pop("label"), **fields}


def iou(a: shapely.Geometry, b: shapely.Geometry) -> float:
    """Area of the intersection over area of the union, exact."""
    union = shapely.union(a, b).area
    return float(shapely.intersection(a, b).area / union) if union else 0.0


def changes(sample: str, before: Sequence[Annotation], after: Sequence[Annotation]) -> list[Change]:
    """What happened to a sample's annotations; those that are vertex for vertex the same are left out.

    Pairs are sought in turn: the same id, class and shape; the same id where they overlap; the largest IoU within a
    class; across classes the largest IoU of at least ``RENAMED``; and the same id and class wherever they lie.
    """
    left, right = list(before), list(after)
    pairs: list[tuple[Annotation, Annotation]] = []
    for same in (
        lambda a, b: a.id == b.id and a.label == b.label and shapely.equals_exact(a.geometry, b.geometry),
        lambda a, b: a.label == b.label and shapely.equals_exact(a.geometry, b.geometry),
        lambda a, b: a.id == b.id and shapely.intersects(a.geometry, b.geometry),
    ):
        for a in list(left):
            b = next((b for b in right if same(a, b)), None)
            if b is not None:
                left.remove(a)
                right.remove(b)
                pairs.append((a, b))
    for across, least in ((False, 0.0), (True, RENAMED)):
        scored = sorted(
            (
                (iou(a.geometry, b.geometry), i, j)
                for i, a in enumerate(left)
                for j, b in enumerate(right)
                if across or a.label == b.label
            ),
            key=lambda s: (-s[0], s[1], s[2]),
        )
        taken_left, taken_right = set(), set()
        for score, i, j in scored:
            if score > 0 and score >= least and i not in taken_left and j not in taken_right:
                taken_left.add(i)
                taken_right.add(j)
                pairs.append((left[i], right[j]))
        left = [a for i, a in enumerate(left) if i not in taken_left]
        right = [b for j, b in enumerate(right) if j not in taken_right]
    for a in list(left):
        b = next((b for b in right if (a.id, a.label) == (b.id, b.label)), None)
        if b is not None:
            left.remove(a)
            right.remove(b)
            pairs.append((a, b))
    found = [c for c in (_pair(sample, a, b) for a, b in pairs) if c is not None]
    found += [Change(sample, a.label, "removed", a.id, 0.0, None) for a in left]
    found += [Change(sample, b.label, "added", b.id, 0.0, None) for b in right]
    return sorted(found, key=lambda c: (c.iou, c.label, c.annotation))


def _pair(sample: str, a: Annotation, b: Annotation) -> Change | None:
    same = shapely.equals_exact(a.geometry, b.geometry)
    if same and a.label == b.label:
        return None
    far = 0.0 if same else float(shapely.hausdorff_distance(a.geometry.boundary, b.geometry.boundary))
    score = 1.0 if same else iou(a.geometry, b.geometry)
    if a.label == b.label:
        return Change(sample, b.label, "moved", b.id, score, far)
    return Change(sample, b.label, "renamed", b.id, score, far, was=a.label)
