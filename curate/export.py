"""A version written in another tool's format, saying first what that format cannot hold."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from curate.errors import CarpusError, UsageError
from curate.files import digest_bytes, inside, write_atomically
from curate.formats import patients
from curate.formats.base import Exported, Format, Holds, Part, Shape
from curate.formats.deidentify import burnt_in, deidentified
from curate.formats.masks import polygons
from curate.formats.normal import attributes_of, shapes_from
from curate.formats.registry import format_of
from curate.manifest import EVALUATION_ONLY, SampleRow, Version
from curate.manifest.head import TABLES
from curate.sample.dicom import is_dicom
from curate.sample.image import encode_png, read_bytes
from curate.sample.read import LABELS, SampleReader

Progress = Callable[[Iterable[Any], int], Iterable[Any]]

LOSSES = {
    "holes": "annotations with holes, which it cannot say",
    "parts": "annotations of several parts, which become several annotations",
    "several": "classes with several annotations in one sample, of which usual readers keep one",
    "merged": "classes with several annotations in one sample, which become one region",
    "overlap": "pairs of classes that overlap, where one pixel can hold one class",
    "weights": "annotations with a weight (children of mixup), which become full ones",
    "unlabelled": "films without labels, which it would take for films that show nothing; they are left out",
    "vanished": "polygons that whole-numbered vertices leave without an area",
}
"""What can be lost, as it is told; a count stands before it."""


@dataclass
class Exportation:
    """What an export did.

    Attributes:
        out: the folder. samples: written. losses: kind -> count, of what the format could not hold.
        left_out: samples dropped from training, which another tool would train on.
        burnt_in: films whose DICOM header says that text stands in the pixels, which stays there.
    """

    out: Path
    samples: int = 0
    losses: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    burnt_in: list[str] = field(default_factory=list)

    def told(self) -> list[str]:
        """The losses in words."""
        return [f"{count} {LOSSES[kind]}" for kind, count in self.losses.items()]

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "out": str(self.out)}


class Exporter:
    """Shapes of a version's samples as a format will get them, with what that costs.

    Args:
        ints: vertices rounded to whole numbers.
    """

    def __init__(self, version: Version, target: Format, ints: bool):
        self.version, self.target, self.ints = version, target, ints
        self.reader = SampleReader(version, labels=LABELS)
        self.losses: Counter[str] = Counter()
        films = (r for r in version.samples if r.is_original and r.image is not None)
        self._patients = {r.group for r in films if r.image.lower().endswith(".dcm")}

    def shapes(self, row: SampleRow) -> tuple[Shape, ...]:
        """One sample's shapes; what is lost is added to ``losses``."""
        annotations, kept = self.reader.annotations(row.id), {}
        if row.is_original and row.labels is not None and row.labels.startswith(f"{TABLES}/"):
            kept = attributes_of(read_bytes(inside(self.version.root, row.labels)), row.labels)
        self.losses["weights"] += 0 if self.target.holds.weights else sum(a.weight != 1.0 for a in annotations)
        shapes = shapes_from(annotations, kept)
        if self.ints:
            shapes = tuple(s for s in map(self._whole_numbers, shapes) if s.parts)
        if not self.target.holds.several and self.target.holds.vertices:
            shapes = _one_polygon_a_class(shapes)
        self._count(shapes, self.target.holds)
        return shapes

    def group(self, row: SampleRow) -> str:
        """A patient's name for other eyes: that of a DICOM file is replaced by a digest, any other stays."""
        return "+".join(
            digest_bytes(f"{self.version.digest}\n{group}".encode())[7:19] if group in self._patients else group
            for group in row.group.split("+")
        )

    def _whole_numbers(self, shape: Shape) -> Shape:
        parts = []
        for part in shape.parts:
            rings = [np.rint(np.asarray(r)).astype(int) for r in (part.outer, *part.holes)]
            rings = [r[np.any(r != np.roll(r, 1, axis=0), axis=1)] for r in rings]
            rings = [r.tolist() for r in rings if len(np.unique(r, axis=0)) >= 3]
            if not rings or shapely.Polygon(rings[0]).area == 0:
                self.losses["vanished"] += 1
            else:
                parts.append(Part(rings[0], tuple(rings[1:])))
        return replace(shape, parts=tuple(parts))

    def _count(self, shapes: tuple[Shape, ...], holds: Holds) -> None:
        if not holds.holes:
            self.losses["holes"] += sum(any(p.holes for p in s.parts) for s in shapes)
        if not holds.parts:
            self.losses["parts"] += sum(len(s.parts) > 1 for s in shapes)
        if not holds.several:
            repeated = sum(n > 1 for n in Counter(s.label for s in shapes).values())
            self.losses["several" if holds.vertices else "merged"] += repeated
        if not holds.overlap and len(shapes) > 1:
            regions = np.array([polygons(s.parts) for s in shapes], dtype=object)
            one, other = shapely.STRtree(regions).query(regions, predicate="intersects")
            pairs = [(i, j) for i, j in zip(one, other, strict=True) if i < j and shapes[i].label != shapes[j].label]
            self.losses["overlap"] += sum(shapely.intersection(regions[i], regions[j]).area > 1e-6 for i, j in pairs)


def _one_polygon_a_class(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Shapes of a class that together are one polygon without a hole, as that polygon; the largest of others last."""
    by_label: dict[str, list[Shape]] = {}
    for shape in shapes:
        by_label.setdefault(shape.label, []).append(shape)
    result: list[Shape] = []
    for label, members in by_label.items():
        parts = [p for s in members for p in s.parts]
        union = polygons(parts) if len(parts) > 1 else None
        if isinstance(union, shapely.Polygon) and not union.interiors:
            whole = Part([list(p) for p in union.exterior.coords[:-1]])
            result.append(Shape(label, (whole,), members[0].id, members[0].attributes))
            continue
        split = [replace(s, parts=tuple(sorted(s.parts, key=_area))) for s in members]
        result += sorted(split, key=lambda s: sum(map(_area, s.parts)))
    return tuple(result)


def _area(part: Part) -> float:
    return shapely.Polygon(part.outer, part.holes).area


def export(
    version: Version,
    out: str | os.PathLike,
    kind: str = "coco",
    lossy: bool = False,
    ints: bool = False,
    identified: bool = False,
    keep_dicom: bool = False,
    progress: Progress = lambda items, total: items,
) -> Exportation:
    """Write a version's samples in a format: pictures as they are where it takes them, else as grey PNG.

    The folder appears when all is written.

    Args:
        out: new, or empty. kind: name of the format.
        lossy: write also what the format cannot hold. ints: whole-numbered vertices.
        identified: copy DICOM files as they are, patient and all; by default they are written as pictures alone.
        keep_dicom: DICOM files stay DICOM, bit for bit in their pixels, without what says who the patient is.
        progress: wraps the iteration over samples, to show it.

    Raises:
        UsageError: the folder is not empty; or something would be lost, saying what.
    """
    out, target = Path(out), format_of(kind)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(out, "exists and is not an empty folder")
    rows = [r for r in version.samples if EVALUATION_ONLY not in r.tags]
    result = Exportation(out, len(rows), left_out=len(version) - len(rows))
    exporter = Exporter(version, target, ints)
    if not target.holds.unlabelled:
        labelled = [r for r in rows if r.labelled or r.split == "test"]
        exporter.losses["unlabelled"] = len(rows) - len(labelled)
        rows, result.samples = labelled, len(labelled)
    for row in rows:
        exporter.shapes(row)
    result.losses = {k: n for k, n in sorted(exporter.losses.items()) if n}
    if result.losses and not lossy:
        told = "; ".join(result.told())
        raise UsageError(kind, f"cannot hold all of {version.name}: {told}; --lossy writes the rest")
    partial = out.absolute().with_name(f".{out.absolute().name}.partial")
    if partial.exists():
        shutil.rmtree(partial)  # of an export that was interrupted
    try:
        written = _written(exporter, rows, partial, identified, keep_dicom, result, progress)
        people: list[tuple[str, ...]] = []
        target.write(partial, _noted(written, people), version.classes)
        write_atomically(partial / patients.NAME, patients.table_bytes(people))
        if out.exists():
            out.rmdir()
        os.replace(partial, out)
    except OSError as error:
        raise CarpusError(error.filename or out, f"cannot be written: {error.strerror or error}") from None
    return result


def _written(
    exporter: Exporter, rows: list[SampleRow], partial: Path, identified: bool, keep_dicom: bool, result: Exportation,
    progress: Progress,
) -> Iterator[Exported]:
    """Each sample, its picture written."""
    for row in progress(rows, len(rows)):
        data, suffix = _picture(exporter, row, identified, keep_dicom, result)
        name = exporter.target.image_name(row.id, row.split, suffix)
        if Path(name).suffix != suffix or exporter.target.holds.grey:
            data = encode_png(exporter.reader.image(row.id))
        write_atomically(partial / name, data)
        shapes, group = exporter.shapes(row), row.group if identified else exporter.group(row)
        size = (row.width, row.height)
        yield Exported(row.id, name, size, shapes, row.labelled, group, row.fold, row.split, row.tags, row.is_original)


def _noted(samples: Iterator[Exported], people: list[tuple[str, ...]]) -> Iterator[Exported]:
    """The samples as they pass by, each with a line in the table of patients."""
    for s in samples:
        fold = "" if s.fold is None else str(s.fold)
        people.append((s.image, s.group, fold, s.split, " ".join(s.tags)))
        yield s


def _picture(
    exporter: Exporter, row: SampleRow, identified: bool, keep_dicom: bool, result: Exportation
) -> tuple[bytes, str]:
    """The bytes of a sample's picture and their suffix: its file's, unless it has none or names a patient."""
    root = exporter.version.root
    if row.image is None or not (root / row.image).exists():
        return encode_png(exporter.reader.image(row.id)), ".png"
    data = read_bytes(inside(root, row.image))
    if digest_bytes(data) != row.file:
        raise CarpusError(row.image, "does not match its digest: it was changed or damaged")
    if is_dicom(data) and not identified:
        if burnt_in(data, Path(row.image)):
            result.burnt_in.append(row.id)
        if keep_dicom:
            return deidentified(data, Path(row.image), exporter.group(row)), ".dcm"
        return encode_png(exporter.reader.image(row.id)), ".png"
    return data, Path(row.image).suffix.lower()
