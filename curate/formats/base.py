"""What every format shares: how it hands over what it read, what it is given to write, and what it can hold.

A format is one file in this folder with one class that has a ``name``, ``holds``, ``read`` and ``write``; the registry
is in ``curate.formats.registry``. Vertex numbers are kept as they stand in a file: (x, y) is taken as the centre of
pixel (x, y), as everywhere in carpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from curate.errors import CarpusError, LabelError
from curate.sample.image import SUFFIXES

Ring = Sequence[Sequence[float]]
MAX_NAME = 200

SUBSETS = ("train", "training", "val", "valid", "validation", "test", "default", "train2017", "val2017", "images")
"""Folders that divide a data set rather than name a patient."""


@dataclass(frozen=True)
class Part:
    """One polygon: its outer ring and its holes, points (x, y) in pixels, not closed."""

    outer: Ring
    holes: tuple[Ring, ...] = ()


@dataclass(frozen=True)
class Shape:
    """One annotation as files know it.

    Attributes:
        label: class name. parts: none where the file gives no outline: enough for a category that becomes a tag.
        id: unique in its picture where the file says so.
        attributes: what else the file says of it, plain data (``iscrowd``, ``occluded``, ...).
        fault: why there is no part, where that refuses the picture. aside: the same, where it is only left aside.
    """

    label: str
    parts: tuple[Part, ...]
    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    aside: str | None = None


@dataclass(frozen=True)
class Item:
    """One picture as a format describes it.

    Attributes:
        name: path below the folder of pictures, without the suffix: the sample's id.
        image: the picture. source: the file its labels stand in; ``None`` where it has none.
        shapes: ``None`` for an unlabelled picture, empty for one that was labelled and shows nothing.
        size: (width, height) that the shapes were drawn at, where the file says so.
        unit: coordinates are shares of the width and the height, not pixels.
        group: the patient, where the file says so. delivered: ``"train"`` or ``"test"``.
        tags: of the picture. notes: what was left aside, one phrase each.
    """

    name: str
    image: Path
    source: Path | None = None
    shapes: tuple[Shape, ...] | None = None
    size: tuple[int, int] | None = None
    group: str | None = None
    delivered: str = "train"
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unit: bool = False


@dataclass
class Reading:
    """Everything a format found below a folder: pictures, classes in the file's order, what it refused, and notes."""

    items: list[Item] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    refused: list[CarpusError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Holds:
    """What a format can express. What it cannot is counted before anything is written, and needs ``--lossy``.

    Attributes:
        parts: several polygons as one annotation. holes: rings cut out of a polygon. overlap: a pixel of two classes.
        several: more than one annotation of a class in a picture. vertices: points at all, rather than pixels.
        weights: the share of an annotation in a mixed sample. grey: pictures must be PNG of one channel.
        unlabelled: films to train on that nobody has labelled yet.
    """

    parts: bool = True
    holes: bool = True
    overlap: bool = True
    several: bool = True
    vertices: bool = True
    weights: bool = False
    grey: bool = False
    unlabelled: bool = True


@dataclass(frozen=True)
class Exported:
    """One sample to write; its picture lies at ``image`` already, below the folder that the format named.

    Attributes:
        id: sample id. image: path of the picture relative to the output. size: (width, height). shapes: its labels.
        labelled: whether it has labels, were it none. group, fold, split, tags: as in the version.
        original: whether it was read rather than derived; only originals are evaluated on.
    """

    id: str
    image: str
    size: tuple[int, int]
    shapes: tuple[Shape, ...]
    labelled: bool
    group: str
    fold: int | None
    split: str
    tags: tuple[str, ...]
    original: bool = True


class Format(Protocol):
    """One way in which data sets are kept."""

    name: str
    holds: Holds

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        """Everything below a folder; a bad file is refused by name and stops nothing else.

        Args:
            images, labels: where they are, when not where the format has them.
        """

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        """Where a sample's picture goes, relative to the output; a suffix of another kind asks for a conversion."""

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        """Write the labels beside the pictures."""


class Pictures:
    """The pictures below a folder, found by the names that label files give them; nothing outside can be named."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.paths = sorted(
            p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
        )
        self._by_path = {p.relative_to(folder).as_posix(): p for p in self.paths}
        self._by_stem: dict[str, Path] = {}
        self._by_name: dict[str, Path | None] = {}
        for relative, path in self._by_path.items():
            self._by_stem.setdefault(relative.rpartition(".")[0], path)
            self._by_name[path.name] = None if path.name in self._by_name else path

    def name(self, path: Path) -> str:
        """The id of a picture: its path without the suffix, below the folder and below a subset's folder in it."""
        parts = path.relative_to(self.folder).with_suffix("").parts
        return "/".join(parts[1:] if len(parts) > 1 and parts[0].lower() in SUBSETS else parts)

    def find(self, name: Any, where: Path, within: str = "") -> Path:
        """The picture that a label file calls ``name``: by its path below the folder, or by its file name alone.

        Args:
            within: a subset's folder to which the path may be relative instead.

        Raises:
            LabelError: there is none, or several of that file name.
        """
        if not isinstance(name, str) or not name:
            raise LabelError(where, "names no picture")
        given = name.replace("\\", "/").removeprefix("./")
        for path in (f"{within}/{given}", given):
            if path in self._by_path:
                return self._by_path[path]
        last = given.rpartition("/")[2]
        found = self._by_name.get(last)
        if found is None:
            what = "several pictures have the name" if last in self._by_name else "there is no picture"
            raise LabelError(where, f"{what} {name[:MAX_NAME]!r}")
        return found

    def of(self, relative: str) -> Path | None:
        """The picture whose path below the folder, without suffix, is ``relative``."""
        return self._by_stem.get(relative)


def pairs(numbers: Any, where: Path, label: str) -> list[tuple[float, float]]:
    """A flat list x, y, x, y as points; what is not numbers is refused here, what is no polygon at the door."""
    try:
        array = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise LabelError(where, f"{label}: coordinates are not numbers") from None
    if array.ndim != 1 or len(array) % 2:
        raise LabelError(where, f"{label}: coordinates do not come in pairs")
    return [tuple(p) for p in array.reshape(-1, 2).tolist()]


def about_sample(sample: Exported) -> dict[str, Any]:
    """What carpus adds to a format where it allows more keys: what must not be lost on the way back."""
    return {"group": sample.group, "fold": sample.fold, "split": sample.split, "tags": list(sample.tags)}


def read_about(value: Any) -> dict[str, Any]:
    """What ``about_sample`` wrote, as arguments of an ``Item``; anything else says nothing."""
    value = value if isinstance(value, dict) else {}
    group, tags = value.get("group"), value.get("tags")
    return {
        "group": group if isinstance(group, str) and group else None,
        "delivered": "test" if value.get("split") == "test" else "train",
        "tags": tuple(t for t in tags if isinstance(t, str)) if isinstance(tags, list) else (),
    }


def label_name(value: Any, where: Path) -> str:
    """A class name that can be kept: text, not empty, of at most ``MAX_NAME`` characters."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
        raise LabelError(where, f"{str(value)[:60]!r} is not the name of a class")
    return value.strip()


def whole(number: Any, what: str, where: Path) -> int:
    """A whole number that is not negative, also one written as ``64.0``, where a file must have one."""
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise LabelError(where, f"{what} is {str(number)[:40]!r}, not a whole number")
    return number


ROUND = 72
"""Corners that an ellipse or circle gets: 0.13 % of its area are lost."""


def ellipse(center: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> list[list[float]]:
    """The outline of an ellipse as ``ROUND`` points (x, y), turned clockwise as a screen shows it."""
    angle = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    with np.errstate(all="ignore"):
        points = np.stack([np.cos(angle), np.sin(angle)], 1) * radii + center
    return turned(points, degrees, center)


def turned(points: Any, degrees: float, center: tuple[float, float]) -> list[list[float]]:
    """Points (n, 2), y downwards, turned clockwise about a centre."""
    with np.errstate(all="ignore"):  # what is beyond all numbers is refused at the door
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return (((np.asarray(points, np.float64) - center) @ [[cos, sin], [-sin, cos]]) + center).tolist()
