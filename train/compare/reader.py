"""How well two readers agree on the same films: a ceiling for what a model's gain can mean."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from curate.errors import CarpusError, UsageError
from curate.files import inside
from curate.formats.competition import find_folders
from curate.manifest.store import Version
from curate.sample.geometry import frame, transform_geometry
from curate.sample.image import SUFFIXES, read_bytes, read_header
from curate.sample.labelfile import read_labels
from curate.sample.read import SampleReader

FRAMES = "frames.csv"
_COLUMNS = ("second", "first", "a", "b", "c", "d", "e", "f")


def reader_agreement(second: Path, version: Version) -> dict[str, tuple[float, int]]:
    """Dice per class between a second reading and the labels of a version, in the frame of the version's films.

    Args:
        second: a folder in the competition's layout, with ``frames.csv``: for each of its films the film of the
            version and the affine ``x1 = a x2 + b y2 + c, y1 = d x2 + e y2 + f`` into its frame.
        version: of the first reading.

    Returns:
        class -> (mean Dice of the exact polygons, number of films), inside what both pictures of a film show: where
        one is cropped, a forearm ends sooner. Bones only one reader drew are left out: a reader who leaves a bone out
        has not traced it badly.

    Raises:
        CarpusError: ``frames.csv`` or a label file is missing or broken, or no film of it is in the version.
    """
    found: dict[str, list[float]] = {}
    reader = SampleReader(version)
    images, labels, _ = find_folders(second)
    if images is None or labels is None:
        raise UsageError(second, "is not in the competition's layout: DCM/ and outputs_json/")
    matched = 0
    for film, first, affine in _frames(second / FRAMES):
        if first not in version.by_id:
            continue
        matched += 1
        path = inside(labels, f"{film}.json")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CarpusError(path, f"cannot be read: {error.strerror or error}") from None
        picture = _picture(images, film)
        header = read_header(read_bytes(picture), picture)
        size = (header.width, header.height)
        row = version.by_id[first]
        seen = box(*frame(row.width, row.height)).intersection(transform_geometry(box(*frame(*size)), affine))
        theirs = _by_class(read_labels(data, str(path), size).annotations)
        ours = _by_class(reader.annotations(first))
        for name in sorted(ours.keys() & theirs.keys()):
            a, b = ours[name].intersection(seen), transform_geometry(theirs[name], affine).intersection(seen)
            if a.area and b.area:
                found.setdefault(name, []).append(2 * a.intersection(b).area / (a.area + b.area))
    if not matched:
        raise UsageError(second / FRAMES, f"names no film of {version.name}")
    return {name: (float(np.mean(values)), len(values)) for name, values in found.items()}


def _picture(images: Path, film: str) -> Path:
    found = next((p for p in (inside(images, f"{film}{s}") for s in sorted(SUFFIXES)) if p.is_file()), None)
    if found is None:
        raise CarpusError(images / film, "no such picture, though frames.csv names it")
    return found


def _by_class(annotations) -> dict[str, BaseGeometry]:
    shapes: dict[str, list[BaseGeometry]] = {}
    for annotation in annotations:
        shapes.setdefault(annotation.label, []).append(annotation.geometry)
    return {name: unary_union(parts) for name, parts in shapes.items()}


def _frames(path: Path) -> list[tuple[str, str, np.ndarray]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise CarpusError(path, "no such file: it says how a second reading lies on the first") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CarpusError(path, f"cannot be read as a table: {error}") from None
    missing = [c for c in _COLUMNS if not rows or rows[0].get(c) is None]
    if missing:
        raise CarpusError(path, f"no column {', '.join(missing)}, or no row")
    frames = []
    for line, row in enumerate(rows, 2):
        try:
            numbers = np.array([float(row[c]) for c in _COLUMNS[2:]]).reshape(2, 3)
        except (TypeError, ValueError):
            raise CarpusError(path, f"line {line}: the affine is not six numbers") from None
        if not np.isfinite(numbers).all():
            raise CarpusError(path, f"line {line}: the affine is not finite")
        frames.append((row["second"], row["first"], numbers))
    return frames
