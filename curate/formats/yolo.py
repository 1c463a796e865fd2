"""YOLO-seg: ``data.yaml``, ``images/SPLIT/X.png``, ``labels/SPLIT/X.txt`` with lines ``class x y x y ...`` from 0 to 1.

``train.txt`` and ``val.txt`` part the patients: the originals of fold 0 are validated on. ``data.yaml`` names no path,
so that trainers look beside it, wherever the folder lies.

A coordinate is the vertex divided by the width or the height, as the usual converters from COCO do it. What a clip at
the frame left at -0.5 (the outer edge of the first pixel) is cut at 0, since trainers refuse numbers below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from curate.errors import CarpusError, LabelError, UsageError
from curate.files import write_atomically
from curate.formats.base import SUBSETS, Exported, Holds, Item, Part, Pictures, Reading, Shape, label_name, pairs
from curate.formats.indexed import CLASSES
from curate.formats.maskfiles import read_classes
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
        reading.classes = list(dict.fromkeys(names.values()))
        pictures = Pictures(images or (root / "images" if (root / "images").is_dir() else root))
        texts = labels or (root / "labels" if pictures.folder == root / "images" else None)
        folders = [texts] if texts else [p for p in sorted(root.rglob("labels")) if p.is_dir()]
        left = {p: None for folder in folders for p in sorted(folder.rglob("*.txt"))}
        labelled = 0
        for picture in pictures.paths:
            parts = list(picture.relative_to(pictures.folder).with_suffix("").parts)
            path = _text(pictures.folder, texts, parts)
            left.pop(path, None)
            if "images" in parts[:-1]:  # TRAIN/images/X is X of TRAIN, as images/TRAIN/X is
                del parts[_last(parts, "images")]
            split = parts.pop(0) if len(parts) > 1 and parts[0].lower() in SUBSETS else ""
            delivered = _SPLITS.get(split.lower(), "train")
            try:
                shapes = self._shapes(path, names) if path.is_file() else None
                labelled += shapes is not None
                item = Item("/".join(parts), picture, path if shapes is not None else None, shapes, unit=True)
                reading.items.append(replace(item, delivered=delivered))
            except CarpusError as error:
                labelled += 1
                reading.refused.append(error)
        if not labelled and not left:
            raise UsageError(texts or root / "labels", "holds no YOLO labels; name their folder with --labels")
        reading.refused += [LabelError(p, "its picture is missing") for p in left]
        return reading

    def _names(self, root: Path) -> dict[int, str]:
        path = next((p for p in (root / "data.yaml", root / "dataset.yaml", *sorted(root.glob("*.y*ml")))
                     if p.is_file() and p.name != "data_manifest.yaml"), None)  # fmt: skip
        if path is None and (root / CLASSES).is_file():  # Label Studio
            return dict(enumerate(read_classes(root)))
        if path is None:
            raise UsageError(root, "has no data.yaml with the names of the classes")
        document = load_yaml(path, LabelError)
        names = document.get("names") if isinstance(document, dict) else None
        if isinstance(names, list):
            names = dict(enumerate(names))
        if isinstance(names, dict) and all(isinstance(k, str) and k.isdecimal() for k in names):
            names = {int(k): v for k, v in names.items()}
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
                number_of = float(words[0])  # some write 0.0
                label = names[int(number_of) if number_of.is_integer() else words[0]]
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
        lists["train"] = lists["train"] or lists["val"]  # one patient: the folder opens, and scores mean nothing
        used = {name: lines for name, lines in lists.items() if lines or name != "test"}
        for name, lines in used.items():
            write_atomically(out / f"{name}.txt", "".join(lines).encode())
        document = {**{name: f"{name}.txt" for name in used}, "names": dict(enumerate(classes))}
        write_atomically(out / "data.yaml", dump_yaml(document))


def _last(parts: Sequence[str], name: str) -> int:
    return len(parts) - 1 - list(parts)[::-1].index(name)


def _text(pictures: Path, texts: Path | None, parts: Sequence[str]) -> Path:
    """Where the labels of a picture are: below their own folder; else as trainers look for them, in ``labels`` instead
    of the last ``images`` in its path, or beside it."""
    if texts is None and "images" in parts[:-1]:
        parts = list(parts)
        parts[_last(parts[:-1], "images")] = "labels"
    place = (texts or pictures).joinpath(*parts)
    return place.with_name(place.name + ".txt")


def _use(sample: Exported) -> str | None:
    """What a trainer does with a sample: validates on the originals of fold 0, trains on what is of no such patient."""
    if not sample.labelled:
        return None  # a picture without a file is one that shows nothing, to a trainer
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
