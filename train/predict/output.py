"""Predictions as files: the competition's CSV, or any format of labels that curate writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import shapely

from curate.errors import UsageError
from curate.formats.base import Exported, Part, Shape
from curate.formats.masks import trace
from curate.formats.registry import format_of
from curate.sample.geometry import polygonal_parts
from curate.sample.image import read_image, write_png
from train.predict.rle import SubmissionWriter

#: Pixels by which simplifying may move a predicted outline.
TOLERANCE = 0.3


def simplified(parts: Sequence[Part], tolerance: float = TOLERANCE) -> tuple[Part, ...]:
    """Outlines with fewer vertices, of the same topology, that paint the same mask.

    The exact outline of a mask follows pixel edges and has a corner at every step. Instead the middles of those edges
    are joined, which neither grows nor shrinks a bone; then Douglas and Peucker's simplification (1973) removes what
    lies within ``tolerance`` pixels, and keeps polygons valid, holes holes and parts apart. At 0.3 pixels the coverage
    rule paints the mask again but for single pixels.

    Args:
        parts: outlines along the edges of pixels, as :func:`curate.formats.masks.trace` gives them.
    """
    union = shapely.union_all([shapely.Polygon(_middles(p.outer), [_middles(h) for h in p.holes]) for p in parts])
    return tuple(
        Part(_ring(p.exterior), tuple(_ring(h) for h in p.interiors))
        for p in polygonal_parts(shapely.simplify(union, tolerance, preserve_topology=True))
    )


def _middles(ring: Sequence[Sequence[float]]) -> np.ndarray:
    """The middle of every pixel edge along a ring, float64 (n, 2)."""
    corners = shapely.get_coordinates(shapely.segmentize(shapely.LinearRing(ring), 1.0))
    return (corners[:-1] + corners[1:]) / 2


def _ring(ring: shapely.LinearRing) -> list[list[float]]:
    return [list(point) for point in ring.coords[:-1]]


def shapes_of_plane(plane: np.ndarray, classes: Sequence[str], where: Path) -> tuple[Shape, ...]:
    """One annotation a class that a plane holds, all its parts in it."""
    held = np.bitwise_or.reduce(plane, axis=None)
    found = []
    for k, label in enumerate(classes):
        if (held >> plane.dtype.type(k)) & 1:
            mask = (plane >> plane.dtype.type(k)) & plane.dtype.type(1) == 1
            found.append(Shape(label, simplified(trace(mask, where)), f"predicted-{k}", {"source": "predicted"}))
    return tuple(found)


def write_predictions(
    found: Iterable[tuple[Path, np.ndarray]],
    classes: Sequence[str],
    out: Path,
    kind: str,
    root: Path,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write predictions as they come.

    Args:
        found: pictures and their planes.
        out: a CSV file for ``csv``; else a folder, new or empty, which gets the pictures too.
        kind: ``csv``, or the name of a format of curate's.
        root: the folder below which the pictures lie; what names them in the output.

    Returns:
        how many were written.
    """
    if kind == "csv":
        done = 0
        with SubmissionWriter(out, classes) as writer:
            for path, plane in found:
                writer.add(path.name, plane)
                done += 1
                progress(done)
        return done
    form = format_of(kind)
    if out.exists() and any(out.iterdir()):
        raise UsageError(out, "is not empty")
    samples = []
    for path, plane in found:
        name = path.relative_to(root).with_suffix("").as_posix() if path != root else path.stem
        image = form.image_name(name, "test", path.suffix.lower())
        target = out / image
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix.lower() == path.suffix.lower():
            shutil.copyfile(path, target)
        else:
            write_png(target, read_image(path).gray)
        size = (plane.shape[1], plane.shape[0])
        shapes = shapes_of_plane(plane, classes, path)
        samples.append(Exported(name, image, size, shapes, True, name, None, "test", ("predicted",)))
        progress(len(samples))
    form.write(out, samples, classes)
    return len(samples)
