"""What is measured of one film: areas and overlaps by polygons, where the fingers point, how it is exposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from curate.anatomy import fingers_deg
from curate.sample.annotation import Annotation

Pair = tuple[str, str]

EXPOSURE = {
    "middle": "middle grey value of the body",
    "high": "brightest grey value of the body (97%)",
    "ground": "grey value of the empty film",
    "white": "share of the body clipped at white",
    "noise": "grain (mean second difference)",
}
"""What is told of a film's exposure: measures of the detector of that name, in words."""


@dataclass(frozen=True)
class FilmFacts:
    """One film, measured.

    Attributes:
        group: the patient; the film itself where patients are unknown. digest: identity of picture and labels.
        original: read rather than derived.
        areas: class -> area in px², annotations of one class added up. overlaps: pair of classes, in the order of the
        class list -> area in px² that both cover.
        fingers_deg: degrees clockwise from up, ``None`` where unknown. by_labels: known from labels, not the picture.
        exposure: of ``EXPOSURE``, ``None`` where the film cannot be read.
        meta: age, sex, height, weight, where known.
    """

    id: str
    group: str
    width: int
    height: int
    digest: str = ""
    original: bool = True
    labelled: bool = False
    side: str | None = None
    areas: dict[str, float] = field(default_factory=dict)
    overlaps: dict[Pair, float] = field(default_factory=dict)
    fingers_deg: float | None = None
    by_labels: bool = False
    exposure: dict[str, float] | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def share(self, label: str) -> float | None:
        """A class's share of the frame, in thousandths; ``None`` where it is not on the film."""
        area = self.areas.get(label)
        return None if area is None else 1000 * area / (self.width * self.height)


def measure_labels(annotations: Sequence[Annotation], classes: Sequence[str]) -> dict[str, Any]:
    """Areas, overlaps and orientation of one film's labels, exactly, by its polygons (shapely), never by masks."""
    areas: dict[str, float] = {}
    for a in annotations:
        areas[a.label] = areas.get(a.label, 0.0) + a.geometry.area
    degrees = fingers_deg(annotations)
    return {
        "labelled": True,
        "areas": areas,
        "overlaps": overlaps(annotations, classes),
        "fingers_deg": degrees,
        "by_labels": degrees is not None,
    }


def overlaps(annotations: Sequence[Annotation], classes: Sequence[str]) -> dict[Pair, float]:
    """Area in px² that two classes share, for each pair that shares any; the pair in the order of ``classes``."""
    if len(annotations) < 2:
        return {}
    order = {name: k for k, name in enumerate(classes)}
    shapes = np.array([a.geometry for a in annotations], dtype=object)
    tree = shapely.STRtree(shapes)
    one, two = tree.query(shapes, predicate="intersects")
    found: dict[Pair, float] = {}
    for i, j in zip(one.tolist(), two.tolist(), strict=True):
        a, b = annotations[i].label, annotations[j].label
        if i >= j or a == b:
            continue
        area = shapely.intersection(shapes[i], shapes[j]).area
        if area > 0:
            pair = (a, b) if order.get(a, 0) <= order.get(b, 0) else (b, a)
            found[pair] = found.get(pair, 0.0) + area
    return found
