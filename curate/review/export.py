"""A page of flags to send round: pictures, evidence and decisions in one file that needs no server and no script."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import shapely

from curate.errors import CarpusError
from curate.files import write_atomically
from curate.manifest import Version
from curate.page import document
from curate.review.items import Item, review_items
from curate.review.pictures import small_picture, svg_path
from curate.sample.read import SampleReader

EDGE = 420
"""Longer edge of a picture, pixels."""

MOST_BYTES = 16_000_000
"""Pictures are put in up to this many bytes (a third more as text); the flags beyond are listed without."""

MOST_READ = 64
"""Films after which the reader, which keeps the labels it reads, is made anew."""

CSS = """
main{margin-top:1rem}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:14px;align-items:start}
figure{border:1px solid var(--line);border-radius:7px;background:var(--panel);overflow:hidden}
figure.pair{grid-column:span 2}
.films{display:flex;background:#000}
.films a{flex:1;min-width:0;display:block}
.films svg{display:block;width:100%;aspect-ratio:1}
figcaption{padding:.35rem .55rem .5rem;line-height:1.4}
figcaption b{color:var(--ink);font-variant-numeric:tabular-nums}
.accepted{color:var(--yes);font-weight:600}.rejected{color:var(--no);font-weight:600}
.where{fill:none;stroke:var(--box);stroke-width:2;vector-effect:non-scaling-stroke}
.halo{fill:none;stroke:rgba(0,0,0,.65);stroke-width:4;vector-effect:non-scaling-stroke}
.bones path{fill:transparent;stroke-width:1.2;vector-effect:non-scaling-stroke;fill-rule:evenodd}
.names{display:none}figure:target .names{display:inline}
.names text{fill:#fff;stroke:rgba(0,0,0,.75);stroke-width:.25em;paint-order:stroke;text-anchor:middle}
#marks:not(:checked)~main .marks{display:none}
.back{display:none}
figure:target{position:fixed;inset:0;z-index:3;display:flex;flex-direction:column;border:0;border-radius:0}
figure:target .films{flex:1;min-height:0}
figure:target .films a{pointer-events:none}
figure:target svg{height:100%;aspect-ratio:auto}
figure:target .back{display:inline;margin-left:1rem}
.fault{flex:1;padding:1rem;font-size:.8rem;color:#ffd98a;margin:0;aspect-ratio:1;overflow-wrap:anywhere}
@media (max-width:540px){figure.pair{grid-column:auto}}
"""

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def write_export(version: Version, out: Path, names: Sequence[str] = (), progress: Progress = lambda i, n: i) -> str:
    """Write the page.

    Args:
        names: only these flags. progress: wraps the iteration over the pictures, to show it.

    Returns:
        a sentence on what was written.

    Raises:
        UsageError: no flag to show. CarpusError: the page cannot be written.
    """
    items = review_items(version, names)
    films = _Films(version)
    figures: dict[int, str] = {}
    for k in progress(_in_turns(items), len(items)):
        figure = films.figure(items[k], k)
        if figure is None:
            break  # every flag has had its share of the room by now
        figures[k] = figure
    data = document(f"{version.name}: flags", _body(version, items, figures), CSS).encode()
    write_atomically(out, data)
    without = "" if len(figures) == len(items) else f", {len(items) - len(figures)} more listed without a picture"
    return f"{out}: {len(figures)} flags with pictures{without}; {len(data) / 1e6:.1f} MB"


def _in_turns(items: Sequence[Item]) -> list[int]:
    """Indices of the items, the best of every flag first, then the second ones: what the room is given to."""
    rank: dict[str, int] = {}
    keys = []
    for k, item in enumerate(items):
        name = item.raised.flag.name
        rank[name] = rank.get(name, -1) + 1
        keys.append((rank[name], k))
    return [k for _, k in sorted(keys)]


class _Films:
    """Pictures as they go into the page, each film once, until the room is used up."""

    def __init__(self, version: Version):
        self._version, self._reader, self._read = version, SampleReader(version, cache_mb=64), 0
        self._placed: dict[str, str] = {}
        self._room = MOST_BYTES

    def figure(self, item: Item, k: int) -> str | None:
        """One flag's figure; ``None`` when there is no room for another picture."""
        try:
            pictures = [self._picture(item.row.id, k, item)]
            if item.partner is not None:
                pictures.append(self._picture(item.partner, k, None))
        except CarpusError as error:
            pictures = [f'<p class="fault">{escape(str(error))}</p>']
        if self._room < 0:
            return None
        kind = ' class="pair"' if len(pictures) > 1 else ""
        films = f'<div class="films" id="at{k}">{"".join(pictures)}</div>'
        return f'<figure id="flag{k}"{kind}>{films}{_caption(item, k)}</figure>'

    def _picture(self, sample: str, k: int, item: Item | None) -> str:
        row = self._version.by_id[sample]
        marks = "" if item is None else self._marks(item)  # first: it may raise, and then no picture is placed
        if sample in self._placed:
            picture = f'<use href="#{self._placed[sample]}"/>'
        else:
            self._read += 1
            if self._read % MOST_READ == 0:
                self._reader = SampleReader(self._version, cache_mb=64)
            data = small_picture(self._reader, self._version, sample, EDGE, ".webp", (cv2.IMWRITE_WEBP_QUALITY, 72))
            self._room -= len(data)
            name = self._placed[sample] = f"film{len(self._placed)}"
            source = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
            picture = (
                f'<image id="{name}" x="-0.5" y="-0.5" width="{row.width}" height="{row.height}" href="{source}"/>'
            )
        about = escape(sample if item is None else f"{sample}: {item.raised.flag.name}", quote=True)
        return (
            f'<a href="#flag{k}"><svg role="img" aria-label="{about}" viewBox="-0.5 -0.5 {row.width} {row.height}">'
            f'{picture}<g class="marks">{marks}</g></svg></a>'
        )

    def _marks(self, item: Item) -> str:
        """The box of the evidence; of a flag on labels the outlines as well, with the names of those in the box."""
        flag, marks, names = item.raised.flag, "", ""
        if flag.name.startswith("label-"):
            pixel = max(item.row.width, item.row.height) / EDGE
            box = None if flag.where is None else shapely.box(*flag.where)
            for a in self._reader.annotations(item.row.id):
                k = self._version.classes.index(a.label)
                colour, line = f"hsl({k * 222.5 % 360:.0f} 90% 62%)", svg_path(a, pixel, places=0)
                marks += f'<path d="{line}" stroke="{colour}"><title>{escape(a.label)}</title></path>'
                inside = a.geometry.representative_point()
                if box is not None and box.contains(inside):
                    names += f'<text x="{inside.x:.0f}" y="{inside.y:.0f}">{escape(a.label)}</text>'
            marks = f'<g class="bones">{marks}</g><g class="names" font-size="{8 * pixel:.0f}">{names}</g>'
        if flag.where is not None:
            x0, y0, x1, y1 = flag.where
            box = f'x="{x0:.1f}" y="{y0:.1f}" width="{max(x1 - x0, 1):.1f}" height="{max(y1 - y0, 1):.1f}"'
            marks += f'<rect class="halo" {box}/><rect class="where" {box}/>'
        return marks


def _outcome(item: Item) -> str:
    one = item.raised
    if one.decision is not None:
        said = {"accepted": "✓ accepted", "rejected": "✕ rejected"}[one.outcome]
        return f'<span class="{one.outcome}">{said}</span> by {escape(one.decision.by)}, {escape(one.decision.at)}'
    return "undecided" if one.stale is None else "undecided; an older answer was decided"


def _caption(item: Item, k: int) -> str:
    flag = item.raised.flag
    partner = "" if item.partner is None else f"<br>beside {escape(item.partner)}"
    return (
        f"<figcaption><b>{flag.score:.2f}</b> {escape(item.row.id)}{partner}<br>{escape(flag.why)}<br>{_outcome(item)}"
        f'<a class="back" href="#at{k}">back</a></figcaption>'
    )


def _body(version: Version, items: Sequence[Item], figures: dict[int, str]) -> str:
    by_flag: dict[str, list[int]] = {}
    for k, item in enumerate(items):
        by_flag.setdefault(item.raised.flag.name, []).append(k)
    decided = sum(item.raised.decision is not None for item in items)
    films = len({item.row.id for item in items})
    parts = []
    for name, these in by_flag.items():
        shown = "".join(figures[k] for k in these if k in figures)
        rows = "".join(_row(items[k]) for k in these if k not in figures)
        head = '<tr><th>score<th class="text">film<th class="text">why<th class="text">decision'
        table = f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>' if rows else ""
        title = f'<h2 id="of-{escape(name, True)}">{escape(name)} <small>{len(these)}</small></h2>'
        parts.append(f'<section>{title}<div class="sheet">{shown}</div>{table}</section>')
    contents = " · ".join(f'<a href="#of-{escape(n, True)}">{escape(n)} {len(k)}</a>' for n, k in by_flag.items())
    return (
        f'<h1 id="top">Flags of {escape(version.name)}</h1>'
        f'<p class="lead">{len(items)} flags on {films} films; {decided} decided.</p>'
        f'<p class="facts">{escape(version.digest)}. Select a picture for a larger one. Decisions are made in '
        f"<code>curate review {escape(version.name)}</code>.</p><p>{contents}</p>"
        f'<input type="checkbox" id="marks" checked> <label for="marks">evidence</label><main>{"".join(parts)}</main>'
    )


def _row(item: Item) -> str:
    flag = item.raised.flag
    return (
        f'<tr><td>{flag.score:.2f}<td class="text">{escape(item.row.id)}<td class="text">{escape(flag.why)}'
        f'<td class="text">{_outcome(item)}'
    )
