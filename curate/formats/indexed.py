"""One index a pixel: planes of class numbers, as PNG masks of several formats hold them.

Masks hold pixels, not vertices: what is read back from them is the exact outline of the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from curate.errors import LabelError
from curate.files import write_atomically
from curate.formats.base import Exported, Shape
from curate.formats.masks import polygons, trace
from curate.sample.image import opened, read_bytes, read_header
from curate.sample.raster import coverage

VOID = 255
"""Pixels of this index are "not known" where eight bits are indexed, as in Pascal VOC: of no class."""

CLASSES = "classes.txt"
"""One class a line; the first is index 1."""


def read_index(path: Path) -> np.ndarray:
    """The indices of a mask: unsigned integers of shape (height, width); a palette's own, not its colours.

    Raises:
        LabelError: not a picture of one channel.
    """
    return index_of(read_bytes(path), path)


def index_of(data: bytes, path: Path) -> np.ndarray:
    """The same of a file's bytes."""
    values = pixels_of(data, path)
    if values.ndim != 2 or (values.dtype.kind not in "ub" and values.dtype != np.int32):
        raise LabelError(path, "is not a mask of one index a pixel")
    return values if values.dtype.kind == "u" else values.astype(np.uint32)


def pixels_of(data: bytes, path: Path, mode: str | None = None) -> np.ndarray:
    """The pixels of a mask's bytes: as stored, a palette's indices; or in one of Pillow's modes, such as ``"RGB"``.

    Raises:
        LabelError: damaged, or not a picture.
    """
    header = read_header(data, path)
    if header.truncated:
        raise LabelError(path, f"is truncated or damaged: it {header.truncated}")
    try:
        with opened(data) as picture:
            return np.asarray(picture if mode is None else picture.convert(mode))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise LabelError(path, f"cannot be decoded: {error}") from None


def write_index(path: Path, values: np.ndarray) -> None:
    """Write indices as PNG of 8 or 16 bits."""
    done, data = cv2.imencode(".png", values.astype(np.uint8 if values.max(initial=0) < 256 else np.uint16))
    assert done
    write_atomically(path, data.tobytes())


def index_plane(sample: Exported, classes: Sequence[str]) -> np.ndarray:
    """One index a pixel, 0 where nothing is; where annotations overlap the later class in the list is on top."""
    plane = np.zeros((sample.size[1], sample.size[0]), np.uint16)
    for shape in sorted(sample.shapes, key=lambda s: classes.index(s.label)):
        plane[coverage(polygons(shape.parts), sample.size)] = classes.index(shape.label) + 1
    return plane


def shapes_of(plane: np.ndarray, names: Sequence[str], path: Path, void: int | None = None) -> tuple[Shape, ...]:
    """One shape a class of an index plane; an index without a name is refused, unless it is ``void``."""
    shapes = []
    for value in _values(plane).tolist():
        if value in (0, void) or (value == VOID and len(names) < VOID):
            continue
        if value > len(names):
            raise LabelError(path, f"index {value} is not in {CLASSES}, which has {len(names)} classes")
        name = names[value - 1]
        shapes.append(Shape(name, trace(plane == value, path), name))
    return tuple(shapes)


def _values(plane: np.ndarray) -> np.ndarray:
    """The different values of a plane, in order; of eight bits ten times as fast as by sorting."""
    if plane.dtype == np.uint8:
        return np.flatnonzero(cv2.calcHist([plane], [0], None, [256], [0, 256]))
    return np.unique(plane)
