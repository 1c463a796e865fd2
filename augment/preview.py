"""A version's samples to look at, by operator, with their polygons drawn: one PNG, one page that needs nothing else."""

from __future__ import annotations

import colorsys
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from augment.preview_page import Shown, page
from curate.errors import CarpusError, UsageError
from curate.files import write_atomically
from curate.manifest import SampleRow, Version
from curate.sample.annotation import Annotation
from curate.sample.read import SampleReader

GAP, HEAD = 8, 26
GROUND, INK = (24, 24, 24), (235, 235, 235)


def colours(classes: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Class -> (red, green, blue): hues a golden angle apart, so that neighbours in the list differ."""
    result = {}
    for k, name in enumerate(classes):
        rgb = colorsys.hls_to_rgb((k * 0.61803398875) % 1.0, 0.6, 0.95)
        result[name] = tuple(round(255 * v) for v in rgb)
    return result


def draw_polygons(
    gray: np.ndarray, annotations: Sequence[Annotation], colour_of: dict[str, tuple[int, int, int]]
) -> np.ndarray:
    """Outlines over a film.

    Args:
        gray: uint8 (h, w). annotations: in its pixels.

    Returns:
        uint8 (h, w, 3), red first.
    """
    picture = np.repeat(gray[..., None], 3, axis=2)
    for a in annotations:
        for part in a.parts:
            for ring in (part.exterior, *part.interiors):
                points = np.rint(np.array(ring.coords[:-1]) * 16).astype(np.int32)
                cv2.polylines(picture, [points], True, colour_of[a.label], 1, cv2.LINE_AA, shift=4)
    return picture


def pick(version: Version, each: int, operators: Sequence[str] = ()) -> dict[str, list[SampleRow]]:
    """Up to ``each`` samples of every kind, evenly over their ids; ``original`` first.

    Raises:
        UsageError: nothing of the kinds asked for.
    """
    kinds: dict[str, list[SampleRow]] = {}
    for row in version.samples:
        kinds.setdefault("original" if row.is_original else row.recipe["operator"], []).append(row)
    for name in operators:
        if name not in kinds:
            raise UsageError("--operator", f"{version.name} has no {name}; it has {', '.join(sorted(kinds))}")
    names = [k for k in sorted(kinds, key=lambda k: (k != "original", k)) if not operators or k in operators]
    if each < 1:
        raise UsageError("--each", f"{each} is not a number of samples")
    result = {}
    for name in names:
        rows = kinds[name]
        some = np.unique(np.linspace(0, len(rows) - 1, min(each, len(rows))).round().astype(int))
        result[name] = [rows[i] for i in some]
    return result


def write_preview(
    version: Version, out: str | os.PathLike | None = None, each: int = 6, width: int = 320,
    operators: Sequence[str] = (), progress: Callable[[Iterable, int], Iterable] = lambda items, total: items,
) -> tuple[Path, Path, dict[str, list[str]]]:
    """Write the contact sheet and the page.

    Args:
        out: the PNG; the page has the same name with ``.html``.
        each: samples of each operator. width: of a thumbnail.
        progress: wraps the iteration over samples, to show it.

    Returns:
        both paths, and the ids shown by kind.
    """
    if not 32 <= width <= 2048:
        raise UsageError("--width", f"{width} is not in 32 to 2048 pixels")
    sheet = Path(out or version.root / "preview" / f"{version.name}.png").with_suffix(".png")
    chosen = pick(version, each, operators)
    reader = SampleReader(version)
    colour_of = colours(version.classes)
    shown: dict[str, list[Shown]] = {kind: [] for kind in chosen}
    todo = [(kind, row) for kind, rows in chosen.items() for row in rows]
    for kind, row in progress(todo, len(todo)):
        shown[kind].append(_look(row, reader, width))
    picture = _sheet(version, shown, width, colour_of)
    fine, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not fine:
        raise CarpusError(sheet, "the contact sheet could not be encoded")
    write_atomically(sheet, data.tobytes())
    html = sheet.with_suffix(".html")
    write_atomically(html, page(version, shown, colour_of).encode())
    return sheet, html, {kind: [r.id for r in rows] for kind, rows in chosen.items()}


def _look(row: SampleRow, reader: SampleReader, width: int) -> Shown:
    scale = min(width / max(row.width, row.height), 1.0)
    return Shown(row, reader.image(row.id, scale), reader.annotations(row.id, scale))


def _sheet(
    version: Version, shown: dict[str, list[Shown]], width: int, colour_of: dict[str, tuple[int, int, int]]
) -> np.ndarray:
    """All thumbnails, a row an operator: uint8 (h, w, 3), red first."""
    across = max(len(row) for row in shown.values())
    cell = width + GAP
    picture = np.full((len(shown) * (cell + HEAD) + GAP, across * cell + GAP, 3), GROUND, np.uint8)
    for r, (kind, row) in enumerate(shown.items()):
        top = GAP + r * (cell + HEAD)
        count = sum(("original" if s.is_original else s.recipe["operator"]) == kind for s in version.samples)
        text = f"{kind}: {len(row)} of {count}"
        cv2.putText(picture, text, (GAP, top + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
        for c, one in enumerate(row):
            thumb = draw_polygons(one.gray, one.annotations, colour_of)
            y, x = top + HEAD, GAP + c * cell
            picture[y : y + thumb.shape[0], x : x + thumb.shape[1]] = thumb[:width, :width]
    return picture
