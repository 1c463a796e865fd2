"""LabelMe: one JSON a picture, beside it or in a folder of its own. Several parts share a ``group_id``."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from curate.errors import CarpusError, LabelError, UsageError
from curate.files import write_atomically
from curate.formats.base import (
    Exported,
    Holds,
    Item,
    Part,
    Pictures,
    Reading,
    Shape,
    about_sample,
    ellipse,
    label_name,
    pairs,
    read_about,
)
from curate.formats.indexed import index_of
from curate.formats.masks import trace
from curate.sample.image import read_bytes
from curate.sample.labelfile import load_json

_LINES = ("point", "points", "line", "linestrip")
"""Shapes without an area: left aside, and said."""


def _masked(entry: dict, label: str, path: Path) -> tuple[Part, ...]:
    """The outline of a shape that is a picture of its own, laid with its first pixel on the first point."""
    try:
        (x, y), _ = entry["points"]
        data, x, y = base64.b64decode(entry["mask"], validate=True), int(x), int(y)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise LabelError(path, f"{label}: a mask without its pixels or its place") from None
    parts = trace(index_of(data, path) > 0, path)
    return tuple(
        Part([[u + x, v + y] for u, v in p.outer], tuple([[u + x, v + y] for u, v in hole] for hole in p.holes))
        for p in parts
    )


class LabelMe:
    """``X.json`` beside ``X.png``."""

    name = "labelme"
    holds = Holds(holes=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        reading = Reading()
        place, pictures = labels or root, Pictures(images or root)
        files = [place] if place.is_file() else sorted(p for p in place.rglob("*.json") if not p.name.startswith("."))
        files = [p for p in files if "data_manifest" not in p.parts]
        if not files:
            raise UsageError(place, "holds no LabelMe file; name their folder with --labels")
        base = place if place.is_dir() else place.parent
        taken: dict[Path, Path] = {}
        for path in files:
            try:
                stem = path.relative_to(base).with_suffix("").as_posix()
                reading.items.append(self._item(path, stem, pictures, taken))
            except CarpusError as error:
                reading.refused.append(error)
        for picture in pictures.paths:
            if picture not in taken:
                reading.items.append(Item(pictures.name(picture), picture))
        names = {s.label for i in reading.items for s in i.shapes or ()}
        reading.classes = sorted(names)
        return reading

    def _item(self, path: Path, stem: str, pictures: Pictures, taken: dict[Path, Path]) -> Item:
        document = load_json(read_bytes(path), path)
        if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
            raise LabelError(path, "is not LabelMe: it has no list of shapes")
        picture = pictures.of(stem) or pictures.find(document.get("imagePath"), path)
        if picture in taken:
            raise LabelError(path, f"{picture.name} has labels in {taken[picture].name} already")
        taken[picture] = path  # also when its labels are refused: it is not an unlabelled one
        groups: dict[Any, list[int]] = {}
        shapes: list[Shape] = []
        for k, entry in enumerate(document["shapes"]):
            if not isinstance(entry, dict):
                raise LabelError(path, f"shape {k} is not an object")
            label = label_name(entry.get("label"), path)
            kind = entry.get("shape_type", "polygon")
            if kind in _LINES:
                aside = f"{label}: a {kind} has no area and was left aside"
                shapes.append(Shape(label, (), str(k), aside=aside))
                continue
            parts = _masked(entry, label, path) if kind == "mask" else (Part(self._ring(entry, kind, label, path)),)
            group = entry.get("group_id")
            key = (label, group) if isinstance(group, int | str) else k
            if key in groups:
                at = groups[key][0]
                shapes[at] = Shape(label, (*shapes[at].parts, *parts), shapes[at].id, shapes[at].attributes)
                continue
            groups[key] = [len(shapes)]
            flags = entry.get("flags")
            shapes.append(Shape(label, parts, str(k), {"flags": flags} if flags and isinstance(flags, dict) else {}))
        size = (document.get("imageWidth"), document.get("imageHeight"))
        known = all(isinstance(n, int) and n > 0 for n in size)
        about = read_about(document.get("carpus"))
        flags = document.get("flags") if isinstance(document.get("flags"), dict) else {}
        about["tags"] = tuple(str(k) for k, on in flags.items() if on is True)
        drawn = size if known else None
        return Item(pictures.name(picture), picture, path, tuple(shapes), drawn, **about)

    def _ring(self, entry: dict, kind: Any, label: str, path: Path) -> list:
        points = entry.get("points")
        if not isinstance(points, list):
            raise LabelError(path, f"{label}: a shape without points")
        two = len(points) == 2 and all(isinstance(p, list) and len(p) == 2 for p in points)
        if two and kind in ("rectangle", "circle"):
            (x0, y0), (x1, y1) = (pairs(p, path, label)[0] for p in points)
            if kind == "rectangle":
                return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
            radius = math.hypot(x1 - x0, y1 - y0)  # the second point lies on it
            return ellipse((x0, y0), (radius, radius))
        if kind not in ("polygon", "rectangle", "oriented_rectangle"):
            raise LabelError(path, f"{label}: a shape of type {str(kind)[:40]!r} is not a polygon")
        return points

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        for sample in samples:
            if not sample.labelled:
                continue
            entries = [
                {
                    "label": shape.label,
                    "points": [list(p) for p in part.outer],
                    "group_id": k if len(shape.parts) > 1 else None,
                    "description": "",
                    "shape_type": "polygon",
                    "flags": dict(shape.attributes.get("flags", {})),
                }
                for k, shape in enumerate(sample.shapes)
                for part in shape.parts
            ]
            document = {
                "version": "5.5.0",
                "flags": dict.fromkeys(sample.tags, True),
                "shapes": entries,
                "imagePath": Path(sample.image).name,
                "imageData": None,
                "imageHeight": sample.size[1],
                "imageWidth": sample.size[0],
                "carpus": about_sample(sample),
            }
            write_atomically(out / f"{sample.id}.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))
