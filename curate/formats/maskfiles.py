"""PNG masks: one index a pixel (Pascal VOC's way), or one binary file a class, which keeps overlaps.

Masks hold pixels, not vertices: what is read back from them is the exact outline of the pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from curate.errors import CarpusError, UsageError
from curate.files import write_atomically
from curate.formats.base import Exported, Holds, Item, Pictures, Reading, Shape, label_name
from curate.formats.indexed import CLASSES, index_plane, read_index, shapes_of, write_index
from curate.formats.masks import polygons, trace
from curate.formats.voc import is_voc, read_voc
from curate.sample.image import read_bytes
from curate.sample.raster import coverage


def read_classes(root: Path) -> list[str]:
    """The classes of a folder of masks.

    Raises:
        UsageError: they are not listed.
    """
    path = root / CLASSES
    if not path.is_file():
        raise UsageError(path, "is missing: one class a line, the first is index 1")
    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    return [label_name(line, path) for line in lines if line.strip()]


class IndexMasks:
    """``images/X.png``, ``masks/X.png`` and ``classes.txt``; Pascal VOC's folders are read as well."""

    name = "masks"
    holds = Holds(overlap=False, several=False, vertices=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        if is_voc(root) and not (root / CLASSES).is_file():
            return read_voc(root, images, labels)
        reading = Reading(classes=read_classes(root))
        pictures, masks = Pictures(images or root / "images"), Pictures(labels or root / "masks")
        for picture in pictures.paths:
            path = masks.of(picture.relative_to(pictures.folder).with_suffix("").as_posix())
            try:
                shapes = None if path is None else shapes_of(read_index(path), reading.classes, path)
                reading.items.append(Item(pictures.name(picture), picture, path, shapes))
            except CarpusError as error:
                reading.refused.append(error)
        return reading

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        for sample in samples:
            if sample.labelled:
                write_index(out / f"masks/{sample.id}.png", index_plane(sample, classes))
        write_atomically(out / CLASSES, "".join(f"{name}\n" for name in classes).encode())


class ClassMasks:
    """``images/X.png`` and ``masks/X/CLASS.png``, 255 inside; names are percent-encoded where a file system minds."""

    name = "multimasks"
    holds = Holds(several=False, vertices=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        reading = Reading(classes=read_classes(root) if (root / CLASSES).is_file() else [])
        pictures, masks = Pictures(images or root / "images"), labels or root / "masks"
        for picture in pictures.paths:
            folder = masks / picture.relative_to(pictures.folder).with_suffix("")
            try:
                shapes = self._shapes(folder) if folder.is_dir() else None
                reading.items.append(
                    Item(pictures.name(picture), picture, folder if shapes is not None else None, shapes)
                )
            except CarpusError as error:
                reading.refused.append(error)
        used = sorted({s.label for i in reading.items for s in i.shapes or ()})
        reading.classes += [n for n in used if n not in reading.classes]
        return reading

    def _shapes(self, folder: Path) -> tuple[Shape, ...]:
        shapes = []
        for path in sorted(folder.glob("*.png")):
            name = label_name(unquote(path.stem), path)
            plane = read_index(path) > 0
            if plane.any():
                shapes.append(Shape(name, trace(plane, path), name))
        return tuple(shapes)

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        for sample in samples:
            if not sample.labelled:
                continue
            (out / "masks" / sample.id).mkdir(parents=True, exist_ok=True)
            for name in {s.label for s in sample.shapes}:
                regions = [polygons(s.parts) for s in sample.shapes if s.label == name]
                plane = np.any([coverage(region, sample.size) for region in regions], axis=0)
                write_index(out / "masks" / sample.id / f"{quote(name, safe=' ')}.png", plane.astype(np.uint8) * 255)
        write_atomically(out / CLASSES, "".join(f"{name}\n" for name in classes).encode())
