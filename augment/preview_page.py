"""The page of a preview: pictures inside it, polygons as vectors over them, nothing fetched from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from curate.manifest import SampleRow, Version
from curate.sample.annotation import Annotation
from curate.sample.image import encode_png


@dataclass(frozen=True, eq=False)
class Shown:
    """One sample on the sheet: its row, and its pixels and polygons at the size shown."""

    row: SampleRow
    gray: np.ndarray
    annotations: Sequence[Annotation]


STYLE = """
body{margin:1.5rem;background:#181818;color:#e8e8e8;font:14px/1.45 system-ui,sans-serif}
h1{font-size:1.3rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}
p{margin:.3rem 0 0;color:#b0b0b0}
.row{display:flex;flex-wrap:wrap;gap:12px}
figure{margin:0;max-width:100%}
.film{position:relative;line-height:0}.film svg{position:absolute;inset:0;width:100%;height:100%}
path{fill:transparent;stroke-width:1.2;vector-effect:non-scaling-stroke}path:hover{fill:rgba(255,255,255,.25)}
#lines:not(:checked)~main path{stroke:none}
figcaption{font-size:12px;color:#b0b0b0;line-height:1.35;margin-top:4px;overflow-wrap:anywhere}
label{cursor:pointer}
"""


def page(
    version: Version, shown: Mapping[str, Sequence[Shown]], colour_of: Mapping[str, tuple[int, int, int]]
) -> str:
    """One HTML document; hovering a polygon names its bone and where it came from."""
    name = escape(version.name)
    sections = "".join(
        f"<h2>{escape(kind)}</h2><div class=row>{''.join(_figure(one, colour_of) for one in row)}</div>"
        for kind, row in shown.items()
    )
    return (
        f'<!doctype html><html lang=en><meta charset=utf-8><title>{name}: preview</title>'
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{STYLE}</style>'
        f"<h1>{name}: what it holds, by operator</h1>"
        f"<p>{len(version)} samples; digest {escape(version.digest)}. Hover a polygon for its bone and its source.</p>"
        f'<input type=checkbox id=lines checked> <label for=lines>polygons</label><main>{sections}</main></html>'
    )


def _figure(one: Shown, colour_of: Mapping[str, tuple[int, int, int]]) -> str:
    height, width = one.gray.shape
    data = base64.b64encode(encode_png(one.gray)).decode()
    row = one.row
    about = f"{row.width} x {row.height}, fold {'test' if row.fold is None else row.fold}, {row.group}"
    if row.side:
        about += f", {row.side}"
    parents = f"<br>from {escape(', '.join(row.parents))}" if row.parents else ""
    paths = "".join(_path(a, colour_of) for a in one.annotations)
    return (
        f'<figure style="width:{width}px"><div class=film>'
        f'<img width="{width}" height="{height}" alt="{escape(row.id, True)}" src="data:image/png;base64,{data}">'
        f'<svg viewBox="-0.5 -0.5 {width} {height}" preserveAspectRatio="none">{paths}</svg></div>'
        f"<figcaption>{escape(row.id)}<br>{escape(about)}{parents}</figcaption></figure>"
    )


def _path(annotation: Annotation, colour_of: Mapping[str, tuple[int, int, int]]) -> str:
    rings = (r for part in annotation.parts for r in (part.exterior, *part.interiors))
    line = "".join("M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in ring.coords[:-1]) + "Z" for ring in rings)
    red, green, blue = colour_of[annotation.label]
    weight = f", weight {annotation.weight:g}" if annotation.weight != 1 else ""
    title = escape(f"{annotation.label}{weight}" + (f"\n{annotation.source}" if annotation.source else ""))
    return f'<path d="{line}" fill-rule="evenodd" stroke="rgb({red},{green},{blue})"><title>{title}</title></path>'
