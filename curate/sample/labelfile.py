"""Label files: the competition's, and those that carpus writes for derived samples.

Quirks, kept and never trusted: ``filename`` ends in .jpg though the picture is .png; ``metadata`` holds another size,
while the points are in the picture's own pixels. Files that carpus writes have the same keys, with float points,
``holes`` beside the outer ring, and where each annotation came from in ``attributes``.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import shapely
from shapely.geometry import Polygon

from curate.errors import LabelError
from curate.sample.annotation import Annotation
from curate.sample.door import admit, as_points, plain_polygons

MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class Labels:
    """A label file as read.

    Attributes:
        annotations: in the order of the file.
        repairs: one sentence for each polygon that was not used as it stood.
    """

    annotations: tuple[Annotation, ...]
    repairs: tuple[str, ...]


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without a search for cycles: JSON has none, and its many lists would start one after another."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load_json(data: bytes, path: str | os.PathLike) -> Any:
    """Parse JSON strictly: no NaN, no Infinity; a byte order mark before it is passed over.

    Raises:
        LabelError: too large or malformed; says where.
    """
    if len(data) > MAX_BYTES:
        raise LabelError(path, f"has {len(data)} bytes, more than {MAX_BYTES}")
    try:
        with _no_collection():
            return orjson.loads(data.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        hint = ""
        if b"NaN" in data or b"Infinity" in data:
            hint = " (NaN and Infinity are not JSON)"
        raise LabelError(path, f"is not JSON: {error}{hint}") from None


def _entries(data: bytes, path: str) -> list[dict]:
    document = load_json(data, path)
    entries = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise LabelError(path, "has no list of annotations")
    for k, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
            raise LabelError(path, f"annotation {k} has no label")
        if not isinstance(entry.get("points"), list):
            raise LabelError(path, f"{entry['label']}: annotation {k} has no points")
        if entry.get("type", "poly_seg") != "poly_seg":
            raise LabelError(path, f"{entry['label']}: type {entry['type']!r} is not poly_seg")
    return entries


def read_labels(
    data: bytes, path: str, size: tuple[int, int], classes: Sequence[str] | None = None
) -> Labels:
    """Read an original's label file.

    Args:
        data: the file's bytes. path: its name in errors.
        size: (width, height) of its picture, whose pixels the points are in.
        classes: labels that may occur; ``None`` allows any.

    Raises:
        LabelError: the file, the label and the fault.
    """
    entries = _entries(data, path)
    chains = []
    for entry in entries:
        label, holes = entry["label"], entry.get("holes") or []
        if classes is not None and label not in classes:
            raise LabelError(path, f"{label[:80]!r} is not in the list of classes")
        if not isinstance(holes, list) or not all(isinstance(h, list) for h in holes):
            raise LabelError(path, f"{label}: holes are not lists of points")
        chains.append([as_points(r, path, label) for r in (entry["points"], *holes)])
    plain = plain_polygons([rings[0] for rings in chains], size)
    annotations, repairs = [], []
    taken: defaultdict[str, int] = defaultdict(int)
    for k, (entry, rings, geometry) in enumerate(zip(entries, chains, plain, strict=True)):
        label = entry["label"]
        if geometry is None or len(rings) > 1:
            admitted = admit(rings[0], rings[1:], size, path, label)
            geometry = admitted.geometry
            repairs += [f"{label}: {r}" for r in admitted.repairs]
        name = str(entry.get("id") or k)
        taken[name] += 1
        if taken[name] > 1:
            name = f"{name}~{taken[name]}"
        whole = all(np.array_equal(r, np.rint(r)) for r in rings)
        annotations.append(
            Annotation(label, geometry, name, rings=tuple(r.astype(np.int32) for r in rings) if whole else None)
        )
    return Labels(tuple(annotations), tuple(repairs))


def read_derived(data: bytes, path: str) -> tuple[Annotation, ...]:
    """Read a label file that carpus wrote, vertex for vertex.

    Raises:
        LabelError: malformed, or a polygon that is not valid: the file was changed.
    """
    annotations = []
    for entry in _entries(data, path):
        try:
            geometry = Polygon(entry["points"], entry.get("holes") or ())
            about = entry["attributes"]
            annotation = Annotation(
                entry["label"], geometry, entry["id"].rpartition("-")[2], about["source"], float(about["weight"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LabelError(path, f"{entry['label']}: is not as carpus writes it: {error}") from None
        if geometry.is_empty or not geometry.is_valid:
            raise LabelError(path, f"{entry['label']}: its polygon is not valid")
        annotations.append(annotation)
    return tuple(annotations)


def write_labels(annotations: Sequence[Annotation], name: str, size: tuple[int, int]) -> bytes:
    """A derived sample's label file: one entry for each part, float points, holes, source and weight.

    Args:
        name: the sample's short name, which its picture and its entries' ids begin with.
        size: (width, height) of its picture, stated in ``metadata`` and true.
    """
    geometries = np.array([a.geometry for a in annotations], dtype=object)
    parts, owner = shapely.get_parts(geometries, return_index=True)
    rings, part_of = shapely.get_rings(parts, return_index=True)  # of each part the outer one first
    points, ring_of = shapely.get_coordinates(rings, return_index=True)
    ends = np.searchsorted(ring_of, np.arange(len(rings)), side="right")
    loops = [points[first : last - 1] for first, last in pairwise([0, *ends.tolist()])]  # unclosed
    first_loop = np.searchsorted(part_of, np.arange(len(parts) + 1)).tolist()
    entries = []
    for k, annotation in enumerate(annotations[i] for i in owner):
        outer, *holes = loops[first_loop[k] : first_loop[k + 1]]
        entries.append(
            {
                "id": f"{name}-{k}",
                "type": "poly_seg",
                "attributes": {"source": annotation.source, "weight": annotation.weight},
                "points": outer,
                "holes": holes,
                "label": annotation.label,
            }
        )
    document = {
        "annotations": entries,
        "attributes": {},
        "file_id": name,
        "filename": f"{name}.png",
        "parent_path": "",
        "last_modifier_id": "",
        "metadata": {"height": size[1], "width": size[0]},
        "last_workers": {},
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
