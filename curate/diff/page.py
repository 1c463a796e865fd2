"""The page of ``curate diff --html``: what changed, with pictures of the most changed before and after."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
import shapely

from curate.diff.compare import Difference
from curate.diff.polygons import Change
from curate.errors import CarpusError
from curate.manifest import Version
from curate.sample.annotation import Annotation
from curate.sample.read import SampleReader
from curate.summary import about

SHOWN = 24
"""Changed samples shown with pictures; and as many of those added and removed."""

EDGE = 420
"""Longer edge of a picture on the page, in pixels."""

BEFORE, AFTER = (60, 90, 235), (70, 190, 60)
"""Outline colours, blue green red: what was, and what is."""

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1000px;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse}
td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}td.n{text-align:right}
figure{display:inline-block;margin:0 1rem 1rem 0;vertical-align:top}figcaption{font-size:.85rem;max-width:420px}
img{display:block;max-width:100%;background:#111}.was{color:#c0392b}.is{color:#1e8449}.pair{margin-bottom:1.2rem}
"""


def diff_page(difference: Difference, a: Version, b: Version) -> str:
    """One self-contained HTML page."""
    readers = (SampleReader(a), SampleReader(b))
    title = f"{a.name} → {b.name}"
    parts = [f"<h1>{escape(title)}</h1>", _steps(difference), _counts(difference)]
    by_sample: dict[str, list[Change]] = {}
    for change in difference.changed:
        by_sample.setdefault(change.id, []).append(change)
    if by_sample:
        parts.append('<h2>Changed annotations</h2><p><span class="was">before</span>, <span class="is">after</span>')
        parts.append(f"; {len(by_sample)} sample{'s' * (len(by_sample) != 1)}, the most changed first</p>")
        parts += [_changed(sample, found, readers) for sample, found in list(by_sample.items())[:SHOWN]]
    for name, ids, reader in (("added", difference.added, readers[1]), ("removed", difference.removed, readers[0])):
        if ids:
            parts.append(f"<h2>{len(ids)} sample{'s' * (len(ids) != 1)} {name}</h2>")
            parts += [_figure(reader, i, i) for i in ids[:SHOWN]]
    if difference.rows:
        parts.append("<h2>Other facts</h2><table><tr><th>sample<th>what<th>before<th>after")
        shown = [(i, f, *v) for i, fields in difference.rows.items() for f, v in fields.items() if f != "recipe"]
        parts += [f"<tr>{''.join(f'<td>{escape(_short(c))}' for c in line)}" for line in shown[:200]]
        parts.append("</table>")
        if len(shown) > 200:
            parts.append(f"<p>and {len(shown) - 200} more; <code>--json</code> has them all</p>")
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def _short(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _steps(difference: Difference) -> str:
    lines = []
    for name, steps in difference.steps.items():
        if steps:
            said = "; ".join(about({k: v for k, v in s.items() if k != "version"}) for s in steps)
            lines.append(f"<p>{escape(name)} was made from {escape(difference.base or 'files')} by {escape(said)}</p>")
    return "".join(lines)


def _counts(difference: Difference) -> str:
    rows = "".join(f"<tr><td>{escape(what)}<td class=n>{count}" for what, count in difference.counts() if count)
    return f"<table>{rows}</table>" if rows else "<p>Nothing differs.</p>"


def _changed(sample: str, found: Sequence[Change], readers: tuple[SampleReader, SampleReader]) -> str:
    """The part of a film about its changed annotations, before beside after, and what happened in words."""
    words = []
    for c in found[:12]:
        named = c.label if c.was is None else f"{c.was} → {c.label}"
        far = "" if c.hausdorff is None else f", IoU {c.iou:.3f}, {c.hausdorff:.1f} px apart at most"
        words.append(f"<li>{escape(named)} {c.kind}{far}")
    if len(found) > 12:
        words.append(f"<li>and {len(found) - 12} more")
    before, after = (r.annotations(sample) for r in readers)
    keys = {(c.kind, c.annotation) for c in found}
    touched = [a for a in after if any(k == a.id for kind, k in keys if kind != "removed")]
    gone = [a for a in before if any(k == a.id for kind, k in keys if kind in ("removed", "moved", "renamed"))]
    window = _window([a.geometry for a in (*touched, *gone)])
    pictures = _figure(readers[0], sample, "before", gone, BEFORE, window)
    pictures += _figure(readers[1], sample, "after", touched, AFTER, window)
    return f"<div class=pair><b>{escape(sample)}</b><ul>{''.join(words)}</ul>{pictures}</div>"


def _window(shapes: Sequence[shapely.Geometry]) -> tuple[float, float, float, float] | None:
    if not shapes:
        return None
    x0, y0, x1, y1 = shapely.total_bounds(np.array(shapes, dtype=object))
    margin = 0.35 * max(x1 - x0, y1 - y0) + 12
    return x0 - margin, y0 - margin, x1 + margin, y1 + margin


def _figure(
    reader: SampleReader,
    sample: str,
    caption: str,
    shapes: Sequence[Annotation] | None = None,
    colour: tuple[int, int, int] = AFTER,
    window: tuple[float, float, float, float] | None = None,
) -> str:
    """A picture (or a window of it) with outlines: those given, or all of the sample's."""
    try:
        gray = reader.image(sample)
        shapes = reader.annotations(sample) if shapes is None else shapes
    except CarpusError as error:
        return f"<figure><figcaption>{escape(caption)}: {escape(str(error))}</figcaption></figure>"
    height, width = gray.shape
    x0, y0, x1, y1 = window or (0, 0, width, height)
    x0, y0, x1, y1 = max(int(x0), 0), max(int(y0), 0), min(int(x1) + 1, width), min(int(y1) + 1, height)
    scale = EDGE / max(x1 - x0, y1 - y0, 1)
    size = (max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.cvtColor(cv2.resize(gray[y0:y1, x0:x1], size, interpolation=way), cv2.COLOR_GRAY2BGR)
    for shape in shapes:
        for part in shape.parts:
            for ring in (part.exterior, *part.interiors):
                points = (np.asarray(ring.coords) + 0.5 - (x0, y0)) * scale - 0.5
                cv2.polylines(picture, [np.rint(points * 8).astype(np.int32)], True, colour, 1, cv2.LINE_AA, 3)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
    source = f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
    return f'<figure><img alt="" src="{source}"><figcaption>{escape(caption)}</figcaption></figure>'
