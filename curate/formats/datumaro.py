"""Datumaro: ``annotations/SUBSET.json`` beside ``images/SUBSET/``; several parts share a ``group``."""

from __future__ import annotations

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
    label_name,
    pairs,
    read_about,
)
from curate.formats.masks import decode_rle, trace
from curate.sample.image import read_bytes
from curate.sample.labelfile import load_json


class Datumaro:
    """Polygons and masks; other kinds of annotation have no area and are left aside."""

    name = "datumaro"
    holds = Holds(holes=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        reading = Reading()
        place = labels or root / "annotations"
        files = [place] if place.is_file() else sorted(place.glob("*.json"))
        if not files:
            raise UsageError(place, "holds no Datumaro file (annotations/*.json)")
        pictures = Pictures(images or (root / "images" if (root / "images").is_dir() else root))
        taken: set[Path] = set()
        for path in files:
            try:
                document = load_json(read_bytes(path), path)
                names = self._names(document, path)
            except CarpusError as error:
                reading.refused.append(error)
                continue
            reading.classes += [n for n in names if n not in reading.classes]
            for entry in document["items"]:
                try:
                    item = self._item(entry, names, path, pictures)
                    if item.image in taken:
                        raise LabelError(path, f"{item.image.name} is given twice")
                    taken.add(item.image)
                    reading.items.append(item)
                except CarpusError as error:
                    name = entry.get("id") if isinstance(entry, dict) else None
                    reading.refused.append(LabelError(error.path, f"{str(name)[:80]}: {error.detail}"))
        return reading

    def _names(self, document: Any, path: Path) -> list[str]:
        try:
            labels = document["categories"]["label"]["labels"]
            names = [label_name(entry["name"], path) for entry in labels]
            if not isinstance(document["items"], list):
                raise TypeError
        except (KeyError, TypeError):
            raise LabelError(path, "is not Datumaro: it has no items or no names of labels") from None
        return names

    def _item(self, entry: Any, names: list[str], path: Path, pictures: Pictures) -> Item:
        if not isinstance(entry, dict) or not isinstance(entry.get("annotations"), list):
            raise LabelError(path, "an item without annotations")
        image = entry.get("image") if isinstance(entry.get("image"), dict) else {}
        picture = pictures.find(image.get("path") or entry.get("id"), path, within=path.stem)
        size = image.get("size")
        drawn = None
        if isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size):
            drawn = (size[1], size[0])
        shapes: list[Shape] = []
        groups: dict[tuple[str, int], int] = {}
        for k, given in enumerate(entry["annotations"]):
            number = given.get("label_id") if isinstance(given, dict) else None
            if not isinstance(number, int) or not 0 <= number < len(names):
                raise LabelError(path, f"annotation {k} has no label of this file")
            label = names[number]
            if given.get("type") == "polygon":
                parts: tuple[Part, ...] = (Part(pairs(given.get("points"), path, label)),)
            elif given.get("type") == "mask" and isinstance(given.get("rle"), dict):
                parts = trace(decode_rle(given["rle"], path, label), path)
            else:
                aside = f"{label}: a {str(given.get('type'))[:40]} was left aside"
                shapes.append(Shape(label, (), str(k), aside=aside))
                continue
            group = given.get("group")
            if isinstance(group, int) and group and (label, group) in groups:
                at = groups[label, group]
                shapes[at] = Shape(label, (*shapes[at].parts, *parts), shapes[at].id, shapes[at].attributes)
                continue
            if isinstance(group, int):
                groups[label, group] = len(shapes)
            kept = given.get("attributes")
            shapes.append(Shape(label, parts, str(given.get("id", k)), kept if isinstance(kept, dict) else {}))
        about = read_about(entry.get("attr"))
        if path.stem == "test":
            about["delivered"] = "test"
        told = entry.get("attr") if isinstance(entry.get("attr"), dict) else {}
        labelled = None if told.get("labelled") is False and not shapes else tuple(shapes)
        return Item(pictures.name(picture), picture, path, labelled, drawn, **about)

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images/{split}/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        number = {name: k for k, name in enumerate(classes)}
        labels = [{"name": name, "parent": "", "attributes": []} for name in classes]
        documents: dict[str, dict[str, Any]] = {}
        for sample in samples:
            fresh = {"info": {}, "categories": {"label": {"labels": labels, "attributes": []}}, "items": []}
            annotations = [
                {
                    "id": k,
                    "type": "polygon",
                    "attributes": dict(shape.attributes),
                    "group": k if len(shape.parts) > 1 else 0,
                    "label_id": number[shape.label],
                    "points": [c for point in part.outer for c in point],
                    "z_order": 0,
                }
                for k, shape in enumerate(sample.shapes, 1)
                for part in shape.parts
            ]
            name = sample.image.removeprefix(f"images/{sample.split}/")
            about = {**about_sample(sample), "labelled": sample.labelled}
            image = {"path": name, "size": [sample.size[1], sample.size[0]]}
            entry = {"id": sample.id, "annotations": annotations, "attr": about, "image": image}
            documents.setdefault(sample.split, fresh)["items"].append(entry)
        for split, document in documents.items():
            write_atomically(out / f"annotations/{split}.json", orjson.dumps(document))
