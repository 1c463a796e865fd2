"""What the label detectors share: each film's regions as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon

from curate.anatomy import centroids
from curate.errors import LabelError
from curate.flags.film import Film
from curate.presets import HAND_BONES
from curate.sample.annotation import Annotation

FEW = 10
"""Hand bones in a label from which on it is judged as a hand's."""


def regions(film: Film) -> dict[str, Any]:
    """Plain data of a film's labels: per annotation its class, area, perimeter, box, parts and whether its ring
    crosses itself.

    ``{"fault": ...}`` where the labels cannot be read.
    """
    try:
        annotations = film.annotations
    except LabelError as error:
        return {"fault": error.detail}
    return {
        "regions": [_region(a) for a in annotations],
        "places": {k: [round(float(v), 3) for v in p] for k, p in centroids(annotations).items()},
    }


def _region(annotation: Annotation) -> dict[str, Any]:
    geometry = annotation.geometry
    rings = annotation.rings or ()
    crossing = any(len(r) > 3 and not Polygon(r).is_valid for r in rings)
    return {
        "label": annotation.label,
        "area": round(float(geometry.area), 2),
        "perimeter": round(float(geometry.length), 2),
        "box": [round(float(v), 1) for v in geometry.bounds],
        "parts": sorted((round(float(p.area), 2) for p in annotation.parts), reverse=True),
        "crossing": bool(crossing),
    }


def places_of(measure: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, float]] | None:
    """(class -> centroid, class -> area) of the hand bones in ``regions``; ``None`` where it is not a hand's label."""
    if "fault" in measure:
        return None
    places = {k: np.array(v) for k, v in measure["places"].items() if k in HAND_BONES}
    areas: dict[str, float] = {}
    for region in measure["regions"]:
        areas[region["label"]] = areas.get(region["label"], 0.0) + region["area"]
    return (places, areas) if len(places) >= FEW else None


def box_of(measure: dict[str, Any], *labels: str) -> tuple[float, float, float, float] | None:
    """The box round all regions of some classes."""
    boxes = [r["box"] for r in measure["regions"] if r["label"] in labels]
    return None if not boxes else tuple(f(b[k] for b in boxes) for k, f in enumerate((min, min, max, max)))


def overlap(a: Annotation, b: Annotation) -> float:
    """Intersection over union of two regions."""
    union = shapely.union(a.geometry, b.geometry).area
    return float(shapely.intersection(a.geometry, b.geometry).area / union) if union > 0 else 0.0
