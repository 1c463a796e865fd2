"""Pascal VOC's folders, as CVAT, Datumaro and LabelMe's converter write them: masks of colours or indices.

``JPEGImages/X.jpg``, ``SegmentationClass/X.png`` (or ``SegmentationClassPNG``), ``labelmap.txt`` with lines
``name:r,g,b:parts:actions`` or ``class_names.txt``, and ``ImageSets/Segmentation/test.txt``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curate.errors import CarpusError, LabelError, UsageError
from curate.formats.base import Item, Pictures, Reading, label_name
from curate.formats.indexed import pixels_of, read_index, shapes_of
from curate.sample.image import read_bytes

MASKS = ("SegmentationClassPNG", "SegmentationClass")
BACKGROUND = ("background", "_background_")
_BORDER = (224, 224, 192)
"""The colour of Pascal VOC's 255, pixels that nobody knows."""


def is_voc(root: Path) -> bool:
    """Whether a folder is laid out like this."""
    return any((root / name).is_dir() for name in MASKS)


def read_voc(root: Path, images: Path | None, labels: Path | None) -> Reading:
    """Everything below a folder; a picture without a mask is unlabelled.

    Raises:
        UsageError: neither of the lists of classes is there, or it cannot be one.
    """
    colours = _colours(root / "labelmap.txt") if (root / "labelmap.txt").is_file() else None
    names = list(colours) if colours is not None else _numbered(root / "class_names.txt")
    reading = Reading(classes=[n for n in names if n not in BACKGROUND])
    pictures = Pictures(images or root / "JPEGImages")
    masks = Pictures(labels or next(root / name for name in MASKS if (root / name).is_dir()))
    tested = root / "ImageSets/Segmentation/test.txt"
    test = set(read_bytes(tested).decode("utf-8", "replace").split("\n")) if tested.is_file() else set()
    for picture in pictures.paths:
        stem = picture.relative_to(pictures.folder).with_suffix("").as_posix()
        path = masks.of(stem)
        try:
            shapes = None
            if path is not None:
                plane = read_index(path) if colours is None else _by_colour(path, colours)
                shapes = shapes_of(plane, reading.classes, path)
            delivered = "test" if stem in test else "train"
            reading.items.append(Item(pictures.name(picture), picture, path, shapes, delivered=delivered))
        except CarpusError as error:
            reading.refused.append(error)
    return reading


def _numbered(path: Path) -> list[str]:
    """Classes from 1 on, of LabelMe's converter: one a line, after ``__ignore__`` and ``_background_``."""
    if not path.is_file():
        raise UsageError(path.with_name("labelmap.txt"), "is missing, and so is class_names.txt: which class is which?")
    lines = [line.strip() for line in read_bytes(path).decode("utf-8", "replace").splitlines() if line.strip()]
    return [label_name(line, path) for line in lines if line not in ("__ignore__", *BACKGROUND)]


def _colours(path: Path) -> dict[str, tuple[int, ...]]:
    """Class -> (r, g, b), the background among them."""
    colours: dict[str, tuple[int, ...]] = {}
    for line in read_bytes(path).decode("utf-8", "replace").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        given = rest.partition(":")[0].strip()
        try:
            colour = tuple(int(n) for n in given.split(",")) if given else _usual(len(colours))
        except ValueError:
            colour = ()
        if len(colour) != 3 or not all(0 <= n < 256 for n in colour) or colour in colours.values() or name in colours:
            raise UsageError(path, f"{line[:60]!r} is not a class and a colour of its own")
        colours[label_name(name, path)] = colour
    return colours


def _usual(number: int) -> tuple[int, int, int]:
    """Pascal VOC's own colour of an index: its bits, dealt to red, green and blue in turn from the highest on."""
    bits = [[number >> (3 * k + c) & 1 for k in range(8)] for c in range(3)]
    red, green, blue = (sum(bit << (7 - k) for k, bit in enumerate(channel)) for channel in bits)
    return red, green, blue


def _by_colour(path: Path, colours: dict[str, tuple[int, ...]]) -> np.ndarray:
    """The index of each pixel's class, 0 for the background, as ``shapes_of`` takes it."""
    red, green, blue = np.moveaxis(pixels_of(read_bytes(path), path, "RGB").astype(np.uint32), -1, 0)
    seen, where = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
    number, count = {_BORDER: 0, (0, 0, 0): 0}, 0
    for name, colour in colours.items():
        count += name not in BACKGROUND
        number[colour] = 0 if name in BACKGROUND else count
    index = []
    for value in seen.tolist():
        colour = (value >> 16, value >> 8 & 255, value & 255)
        if colour not in number:
            raise LabelError(path, f"the colour {colour} is of no class in labelmap.txt")
        index.append(number[colour])
    return np.array(index, np.uint32)[where].reshape(red.shape)
