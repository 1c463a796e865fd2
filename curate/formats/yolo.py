"""YOLO-seg: ``data.yaml``, ``images/SPLIT/X.png``, ``labels/SPLIT/X.txt`` with lines ``class x y x y ...`` from 0 to 1.

``train.txt`` and ``val.txt`` part the patients: the originals of fold 0 are validated on. ``data.yaml`` names no path,
so that trainers look beside it, wherever the folder lies.

A coordinate is the vertex divided by the width or the height, as the usual converters from COCO do it. What a clip at
the frame left at -0.5 (the outer edge of the first pixel) is cut at 0, since trainers refuse numbers below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from curate.errors import CarpusError, LabelError, UsageError
from curate.files import write_atomically
from curate.formats.base import Exported, Holds, Item, Part, Pictures, Reading, Shape, label_name, pairs
from curate.sample.geometry import clip, polygonal_parts
from curate.sample.image import read_bytes
from curate.yaml import dump_yaml, load_yaml

_SPLITS = {"train": "train", "val": "train", "valid": "train", "test": "test"}


class Yolo:
    """Polygons of the segmentation variant; lines of five numbers are boxes and are refused."""

    name = "yolo"
    holds = Holds(parts=False, holes=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        reading = Reading()
        names = self._names(root)
        reading.classes = list(names.values())
        pictures = Pictures(images or root / "images")
        texts = labels or root / "labels"
        if not texts.is_dir():
            raise UsageError(texts, "is not a folder of YOLO labels; name it with --labels")
        left = {p.relative_to(texts).with_suffix("").as_posix(): p for p in sorted(texts.rglob("*.txt"))}
        for picture in pictures.paths:
            relative = picture.relative_to(pictures.folder).with_suffix("").as_posix()
            path = left.pop(relative, None)
            delivered = _SPLITS.get(relative.partition("/")[0], "train")
            try:
                shapes = None if path is None else self._shapes(path, names)
                name = pictures.name(picture)
                reading.items.append(Item(name, picture, path, shapes, delivered=delivered, unit=True))
            except CarpusError as error:
                reading.refused.append(error)
        reading.refused += [LabelError(p, "its picture is missing") for p in left.values()]
        return reading

    def _names(self, root: Path) -> dict[int, str]:
        path = next((p for p in (root / "data.yaml", root / "dataset.yaml", *sorted(root.glob("*.yaml")))
                     if p.is_file() and p.name != "data_manifest.yaml"), None)  # fmt: skip
        if path is None:
            raise UsageError(root, "has no data.yaml with the names of the classes")
        document = load_yaml(path, LabelError)
        names = document.get("names") if isinstance(document, dict) else None
        if isinstance(names, list):
            names = dict(enumerate(names))
        if not isinstance(names, dict) or not names or not all(isinstance(k, int) for k in names):
            raise LabelError(path, "has no names of classes")
        return {k: label_name(v, path) for k, v in sorted(names.items())}

    def _shapes(self, path: Path, names: dict[int, str]) -> tuple[Shape, ...]:
        if path.stat().st_size == 0:
            return ()
        shapes = []
        for number, line in enumerate(read_bytes(path).decode("utf-8", "replace").splitlines(), 1):
            words = line.split()
            if not words:
                continue
            try:
                values = [float(w) for w in words[1:]]
                label = names[int(words[0])]
            except (ValueError, KeyError, OverflowError):
                raise LabelError(path, f"line {number} is not a class and coordinates") from None
            if len(values) == 4:
                fault = f"line {number}: {label}: a box, not a polygon"
                shapes.append(Shape(label, (), str(number - 1), fault=fault))
                continue
            shapes.append(Shape(label, (Part(pairs(values, path, label)),), str(number - 1)))
        return tuple(shapes)

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images/{split}/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        number = {name: k for k, name in enumerate(classes)}
        lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        for sample in samples:
            if (use := _use(sample)) is not None:
                lists[use].append(f"./{sample.image}\n")
            if not sample.labelled:
                continue
            lines = []
            for shape in sample.shapes:
                for part in shape.parts:
                    lines += [f"{number[shape.label]} {ring}" for ring in _unit_rings(part, sample.size)]
            text = out / f"labels/{sample.split}/{sample.id}.txt"
            write_atomically(text, "".join(line + "\n" for line in lines).encode())
        lists["val"] = lists["val"] or lists["train"]
        used = {name: lines for name, lines in lists.items() if lines or name != "test"}
        for name, lines in used.items():
            write_atomically(out / f"{name}.txt", "".join(lines).encode())
        document = {**{name: f"{name}.txt" for name in used}, "names": dict(enumerate(classes))}
        write_atomically(out / "data.yaml", dump_yaml(document))


def _use(sample: Exported) -> str | None:
    """What a trainer does with a sample: validates on the originals of fold 0, trains on what is of no such patient."""
    if sample.split == "test":
        return "test" if sample.original else None
    if sample.fold == 0:
        return "val" if sample.original else None
    return "train"


def _unit_rings(part: Part, size: tuple[int, int]) -> Iterable[str]:
    from shapely import Polygon

    width, height = size
    for polygon in polygonal_parts(clip(Polygon(part.outer), (0.0, 0.0, float(width), float(height)))):
        yield " ".join(f"{x / width!r} {y / height!r}" for x, y in polygon.exterior.coords[:-1])
