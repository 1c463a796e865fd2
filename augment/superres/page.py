"""A page of side-by-side crops for people to look at: the film, bicubic, the result, and how these two differ."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np

from augment.superres.edges import Shifts, edge_shifts, summarise
from augment.superres.pixelfilter import NAME
from augment.superres.resample import shrink
from augment.superres.restore import Settings, bicubic_picture, coarse
from curate.errors import UsageError
from curate.files import write_atomically
from curate.manifest import SampleRow, Version
from curate.sample.image import encode_png
from curate.sample.raster import coverage
from curate.sample.read import SampleReader
from curate.terminal import counted

EDGE = 160
"""Of a crop, film pixels."""
GAIN = 4
"""The difference is shown this much stronger, about middle grey."""

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1400px;padding:0 1rem;color:#1c2330;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}p{margin:.3rem 0;color:#4a5568}
.row{display:grid;grid-template-columns:repeat(4,1fr);gap:8px}figure{margin:0}
img{width:100%;image-rendering:pixelated;background:#000;display:block}figcaption{font-size:.85rem;color:#4a5568}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:2px 12px;text-align:right;border-bottom:1px solid #e2e8f0}
td:first-child,th:first-child{text-align:left}
"""


@dataclass(frozen=True, eq=False)
class Crop:
    """One place in one film, 8-bit pictures of one size. ``title`` names it, ``about`` says what was measured."""

    title: str
    about: str
    pictures: tuple[tuple[str, np.ndarray], ...]


def write_page(version: Version, out: Path, films: int = 6, places: int = 2) -> dict[str, dict[str, float]]:
    """Write one self-contained HTML page on a version's super-resolved children.

    Args:
        out: the file.
        films: children shown, evenly picked. places: crops of each: where result and bicubic differ most on bone.

    Returns:
        bone -> displacement of its edge, over the children shown, whole films.

    Raises:
        UsageError: the version has no such children.
    """
    rows = [r for r in version.samples if not r.is_original and _settings(r) is not None]
    if not rows:
        raise UsageError(version.name, "has no super-resolved samples")
    shown = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(films, len(rows))).round().astype(int))]
    reader = SampleReader(version)
    crops: list[Crop] = []
    shifts: list[Shifts] = []
    for row in shown:
        found, moved = _crops(row, reader, places)
        crops += found
        shifts += moved
    found = summarise(shifts)
    edges = {label: found[label] for label in version.classes if label in found}
    title = f"Super-resolution in {version.name}: {counted(len(rows), 'film')}, {len(shown)} shown"
    write_atomically(out, _html(title, crops, edges).encode())
    return edges


def _settings(row: SampleRow) -> Settings | None:
    steps = row.plan().filters
    return Settings.from_dict(steps[-1].params) if steps and steps[-1].name == NAME else None


def _crops(row: SampleRow, reader: SampleReader, places: int) -> tuple[list[Crop], list[Shifts]]:
    settings = _settings(row)
    parent = row.plan().parents[0]
    gray, result = reader.film(parent).gray, reader.film(row.id).gray
    annotations, factor = reader.annotations(parent), settings.factor
    film = gray.astype(np.float32)
    plain = np.rint(np.clip(bicubic_picture(film, settings), 0, 255)).astype(np.uint8)
    missed = shrink(result.astype(np.float32), settings.scale) - coarse(film, settings)
    shifts = edge_shifts(gray, result, annotations, factor)
    added = np.abs(result.astype(np.float32) - plain)
    added = shrink(added, factor)
    if annotations:
        bone = np.zeros(gray.shape, bool)
        for annotation in annotations:
            bone |= coverage(annotation, (gray.shape[1], gray.shape[0]))
        added = np.where(bone, added, 0)
    crops = []
    for x, y in _places(added, places):
        here = (slice(y, y + EDGE), slice(x, x + EDGE))
        there = (slice(y * factor, (y + EDGE) * factor), slice(x * factor, (x + EDGE) * factor))
        difference = result[there].astype(np.int16) - plain[there]
        pictures = (
            ("film", gray[here]),
            ("bicubic", plain[there]),
            ("result", result[there]),
            (f"result - bicubic, x {GAIN}", np.clip(128 + GAIN * difference, 0, 255).astype(np.uint8)),
        )
        about = (
            f"largest difference {int(np.abs(difference).max())} grey levels; the whole result, shrunk, differs from "
            f"the film by {float(np.sqrt(np.mean(missed**2))):.2f} grey levels RMS"
        )
        crops.append(Crop(f"{parent} at ({x}, {y})", about, pictures))
    return crops, shifts


def _places(added: np.ndarray, places: int) -> list[tuple[int, int]]:
    """Corners of the crops in which most was added, none over another."""
    height, width = added.shape
    if min(height, width) <= EDGE:
        return [(0, 0)]
    sums = cv2.boxFilter(added, -1, (EDGE, EDGE), normalize=True)
    half = EDGE // 2
    sums = sums[half : height - half, half : width - half].copy()
    found = []
    for _ in range(places):
        y, x = (int(v) for v in np.unravel_index(int(sums.argmax()), sums.shape))
        found.append((x, y))
        sums[max(y - EDGE, 0) : y + EDGE, max(x - EDGE, 0) : x + EDGE] = -1
    return found


def _html(title: str, crops: Sequence[Crop], edges: dict[str, dict[str, float]]) -> str:
    blocks = []
    for crop in crops:
        figures = "".join(
            f'<figure><img alt="{escape(name)}" src="data:image/png;base64,{_base64(picture)}">'
            f"<figcaption>{escape(name)}</figcaption></figure>"
            for name, picture in crop.pictures
        )
        blocks.append(
            f'<h2>{escape(crop.title)}</h2><p>{escape(crop.about)}</p><div class="row">{figures}</div>'
        )
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{int(v['points'])}</td><td>{v['typical']:.3f}</td><td>{v['moved']:.3f}</td>"
        f"<td>{v['drift']:+.3f}</td></tr>"
        for label, v in edges.items()
    )
    table = (
        "<h2>Do the edges of bones move? (film pixels, whole films)</h2><table><tr><th>bone</th><th>points</th>"
        f"<th>mean</th><th>95 of 100 below</th><th>mean, outwards</th></tr>{rows}</table>"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>Crops of {EDGE} film pixels, where the result differs most from bicubic. What the "
        "last column shows is not in the film: the network drew it.</p>"
        f"{table}{''.join(blocks)}</html>"
    )


def _base64(picture: np.ndarray) -> str:
    return base64.b64encode(encode_png(np.ascontiguousarray(picture))).decode()
