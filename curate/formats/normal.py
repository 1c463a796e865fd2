"""Imported labels as carpus keeps them: the competition's keys, so that one reader reads every label of every source.

The file stands under ``data_manifest/labels/`` and says which file it was made from and what that file's bytes were;
``curate verify`` looks at both. The source itself is only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from curate.errors import LabelError
from curate.formats.base import Item, Part, Shape
from curate.formats.provenance import KEY
from curate.sample.annotation import Annotation
from curate.sample.labelfile import load_json

FOLDER = "data_manifest/labels"
ASPECT = 0.01
"""Labels drawn at another size are scaled; at another shape, by more than this, they are not of this picture."""


def label_document(item: Item, size: tuple[int, int], source: tuple[str, str], kind: str) -> bytes:
    """An item's shapes as a label file in the picture's own pixels.

    Args:
        size: (width, height) of the picture as decoded.
        source: file that the shapes stood in, relative to the manifest, and the digest of its bytes.
        kind: name of its format.

    Raises:
        LabelError: the shapes were drawn on a picture of another shape.
    """
    scale = _scale(item, size)
    entries = [
        {
            "id": shape.id,
            "type": "poly_seg",
            "attributes": dict(shape.attributes),
            "points": _scaled(part.outer, scale),
            "holes": [_scaled(hole, scale) for hole in part.holes],
            "label": shape.label,
        }
        for shape in item.shapes or ()
        for part in shape.parts
    ]
    about = {KEY: {"file": source[0], "digest": source[1], "format": kind}}
    metadata = {"height": size[1], "width": size[0]}
    return orjson.dumps({"annotations": entries, "attributes": about, "metadata": metadata})


def _scale(item: Item, size: tuple[int, int]) -> tuple[float, float, float] | None:
    """(x factor, y factor, half a pixel or none) from the file's coordinates to the picture's pixels."""
    if item.unit:
        return float(size[0]), float(size[1]), 0.0
    if item.size is None or item.size == size:
        return None
    sx, sy = size[0] / item.size[0], size[1] / item.size[1]
    if abs(sx / sy - 1) > ASPECT:
        drawn = f"{item.size[0]} x {item.size[1]}"
        raise LabelError(item.source, f"was drawn on {drawn} pixels, {item.image.name} has {size[0]} x {size[1]}")
    return sx, sy, 0.5


def _scaled(ring: Sequence, scale: tuple[float, float, float] | None) -> list:
    if scale is None:
        return [list(p) if isinstance(p, tuple) else p for p in ring]
    sx, sy, half = scale
    try:
        return [[(x + half) * sx - half, (y + half) * sy - half] for x, y in ring]
    except (TypeError, ValueError):
        raise LabelError(None, "points are not pairs of numbers") from None


def attributes_of(data: bytes, path: str) -> dict[str, dict[str, Any]]:
    """Annotation id -> what its label file says beside the shape, for files that carpus wrote at import."""
    document = load_json(data, path)
    return {str(e.get("id")): e.get("attributes") or {} for e in document.get("annotations", ()) if e.get("attributes")}


def shapes_from(annotations: Sequence[Annotation], attributes: dict[str, dict[str, Any]]) -> tuple[Shape, ...]:
    """Annotations as formats know them; parts that one annotation came in are one shape again."""
    found: dict[Any, Shape] = {}
    for k, annotation in enumerate(annotations):
        parts = tuple(
            Part(
                [list(p) for p in part.exterior.coords[:-1]],
                tuple([list(p) for p in hole.coords[:-1]] for hole in part.interiors),
            )
            for part in annotation.parts
        )
        stem = annotation.id.partition("~")[0]
        key = (annotation.label, stem if annotation.source is None else annotation.source)
        if annotation.source is not None and annotation.weight != 1.0:
            key = (*key, k)
        known = found.get(key)
        if known is None:
            found[key] = Shape(annotation.label, parts, stem, attributes.get(stem, {}))
        else:
            found[key] = Shape(known.label, (*known.parts, *parts), known.id, known.attributes)
    return tuple(found.values())
