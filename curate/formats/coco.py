"""COCO: one JSON of images, categories and annotations; polygons, several parts, run lengths, crowds.

Categories may have any numbers. Holes cannot be said with COCO's polygons: they are written as run lengths, in pixels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
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
    whole,
)
from curate.formats.masks import decode_rle, encode_rle, polygons, trace
from curate.sample.image import read_bytes
from curate.sample.labelfile import load_json
from curate.sample.raster import coverage

_KEPT = ("iscrowd", "score", "attributes")
"""What an annotation says beside its shape, kept as its attributes."""


def _key(value: Any) -> str | None:
    """An id to compare by: 1, 1.0 and "1" are the same, since some tools write the one and the other."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def _classes(document: dict, names: dict[str, str]) -> list[str]:
    """The categories' names, but for one that is only the head of others and of no annotation (Roboflow's first)."""
    used = {_key(e.get("category_id")) for e in document["annotations"] if isinstance(e, dict)}
    heads = {str(c.get("supercategory")) for c in document["categories"] if c.get("name") != c.get("supercategory")}
    named = [n for key, n in names.items() if key in used or n not in heads]
    return list(dict.fromkeys(named))


class Coco:
    """``annotations/*.json`` beside ``images/``; ``*.json`` beside the pictures; or ``train/*.coco.json`` and the like
    beside theirs."""

    name = "coco"
    holds = Holds(holes=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        reading = Reading()
        files = self._files(root, labels)
        pictures = Pictures(images or (root / "images" if (root / "images").is_dir() else root))
        taken: dict[Path, Path] = {}
        for path in files:
            try:
                document = load_json(read_bytes(path), path)
                entries, names = self._tables(document, path)
            except CarpusError as error:
                reading.refused.append(error)
                continue
            reading.classes += [n for n in _classes(document, names) if n not in reading.classes]
            by_image = defaultdict(list)
            for k, entry in enumerate(entries):
                if not isinstance(entry, dict):
                    reading.refused.append(LabelError(path, f"annotation {k} is not an object"))
                    continue
                by_image[_key(entry.get("image_id"))].append(entry)
            ids = Counter(_key(image.get("id")) for image in document["images"] if isinstance(image, dict))
            for image in document["images"]:
                if isinstance(image, dict) and ids[_key(image.get("id"))] > 1:
                    fault = f"{str(image.get('file_name'))[:80]}: another image has its id {str(image.get('id'))[:40]}"
                    reading.refused.append(LabelError(path, fault))
                    by_image.pop(_key(image.get("id")), None)
                    continue
                self._image(image, by_image, names, pictures, path, reading, taken)
            for key, left in by_image.items():
                reading.refused.append(LabelError(path, f"{len(left)} annotations of image {str(key)[:40]}, not in it"))
        left = sum(p not in taken for p in pictures.paths)
        if left and reading.items:
            reading.notes.append(f"{left} pictures stand in no COCO file read here and were left out")
        return reading

    def _files(self, root: Path, labels: Path | None) -> list[Path]:
        place = labels or (root / "annotations" if (root / "annotations").is_dir() else root)
        files = [place] if place.is_file() else sorted(place.glob("*.json")) or sorted(place.glob("*/*.coco.json"))
        if not files:
            raise UsageError(place, "holds no COCO file; name it with --labels")
        return files

    def _tables(self, document: Any, path: Path) -> tuple[list, dict[str, str]]:
        if not isinstance(document, dict):
            raise LabelError(path, "is not COCO: not an object")
        for key in ("images", "annotations", "categories"):
            if not isinstance(document.get(key), list):
                raise LabelError(path, f"is not COCO: it has no list of {key}")
        names: dict[str, str] = {}
        for category in document["categories"]:
            key = _key(category.get("id")) if isinstance(category, dict) else None
            if key is None or key in names:
                raise LabelError(path, f"category {str(key)[:40]!r} is given twice or has no id")
            names[key] = label_name(category.get("name"), path)
        return document["annotations"], names

    def _image(
        self, image: Any, by_image: dict, names: dict, pictures: Pictures, path: Path, reading: Reading,
        taken: dict[Path, Path],
    ) -> None:
        try:
            if not isinstance(image, dict) or _key(image.get("id")) is None:
                raise LabelError(path, "an image without an id")
            entries = by_image.pop(_key(image["id"]), [])
            beside = path.parent.relative_to(pictures.folder) if path.is_relative_to(pictures.folder) else Path()
            picture = pictures.find(image.get("file_name"), path, within=beside.as_posix())
            if picture in taken:
                raise LabelError(path, f"{picture.name} stands in {taken[picture].name} already")
            size = self._size(image, entries, path)
            shapes = tuple(self._shape(e, k, names, size, path) for k, e in enumerate(entries))
        except CarpusError as error:
            name = image.get("file_name") if isinstance(image, dict) else None
            reading.refused.append(LabelError(error.path, f"{str(name)[:80]}: {error.detail}"))
            return
        taken[picture] = path
        about = read_about(image)
        if "test" in (*path.stem.split("_"), path.parent.name):
            about["delivered"] = "test"
        labelled = shapes if image.get("labelled", True) is not False else None
        reading.items.append(Item(pictures.name(picture), picture, path, labelled, size, **about))

    def _size(self, image: dict, entries: list[dict], path: Path) -> tuple[int, int] | None:
        """The size that the file states; that of its masks where it states none; ``None`` for the picture's own."""
        if image.get("width") and image.get("height"):
            return whole(image["width"], "width", path), whole(image["height"], "height", path)
        for entry in entries:
            masked = entry.get("segmentation")
            if isinstance(masked, dict) and isinstance(masked.get("size"), list) and len(masked["size"]) == 2:
                return whole(masked["size"][1], "width", path), whole(masked["size"][0], "height", path)
        return None

    def _shape(self, entry: dict, k: int, names: dict, size: tuple[int, int] | None, path: Path) -> Shape:
        category = _key(entry.get("category_id"))
        if category not in names:
            raise LabelError(path, f"annotation {str(entry.get('id', k))[:40]}: no category {str(category)[:40]!r}")
        label, segmentation = names[category], entry.get("segmentation")
        if isinstance(segmentation, dict):
            mask = decode_rle(segmentation, path, label)
            if size is None or mask.shape != (size[1], size[0]):
                raise LabelError(path, f"{label}: its mask is not as large as its picture")
            parts = trace(mask, path)
        elif isinstance(segmentation, list) and segmentation:
            rings = segmentation if isinstance(segmentation[0], list) else [segmentation]
            parts = tuple(Part(pairs(ring, path, label)) for ring in rings)
            if not all(len(part.outer) > 2 for part in parts):
                name = str(entry.get("id", k))[:40]
                fault = f"{label}: annotation {name} has a polygon of fewer than 3 points"
                return Shape(label, (), name, fault=fault)
        else:
            name = str(entry.get("id", k))
            return Shape(label, (), name, fault=f"{label}: annotation {name[:40]} has no segmentation")
        return Shape(label, parts, str(entry.get("id", k)), {a: entry[a] for a in _KEPT if entry.get(a)})

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        documents: dict[str, dict[str, list]] = {}
        number = {name: k for k, name in enumerate(classes, 1)}
        categories = [{"id": k, "name": name, "supercategory": ""} for name, k in number.items()]
        for k, sample in enumerate(samples, 1):
            fresh = {"images": [], "annotations": [], "categories": categories}
            document = documents.setdefault(sample.split, fresh)
            width, height = sample.size
            about = {**about_sample(sample), "labelled": sample.labelled}
            name = sample.image.removeprefix("images/")
            document["images"].append({"id": k, "file_name": name, "width": width, "height": height, **about})
            for shape in sample.shapes:
                entry = self._entry(shape, sample.size)
                where = {"id": len(document["annotations"]) + 1, "image_id": k, "category_id": number[shape.label]}
                document["annotations"].append({**where, **entry})
        for split, document in documents.items():
            write_atomically(out / f"annotations/instances_{split}.json", orjson.dumps(document))

    def _entry(self, shape: Shape, size: tuple[int, int]) -> dict[str, Any]:
        region = polygons(shape.parts)
        x0, y0, x1, y1 = region.bounds
        if any(p.holes for p in shape.parts):
            segmentation: Any = encode_rle(coverage(region, size))
        else:
            segmentation = [[c for point in p.outer for c in point] for p in shape.parts]
        kept = {"iscrowd": 0, **{k: v for k, v in shape.attributes.items() if k in _KEPT}}
        return {"segmentation": segmentation, "area": region.area, "bbox": [x0, y0, x1 - x0, y1 - y0], **kept}
