"""Plots as inline SVG: colours are the style sheet's, all text is escaped, the same figures give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from curate.stats.tables import beyond, figures, smallest

SIDES = ("a", "b")
ROW = 21


def _open(width: float, height: float, label: str, kind: str) -> str:
    about = f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label, True)}"'
    return f'<svg class="chart {kind}" {about}>'


def _nice(low: float, high: float) -> list[float]:
    """Round figures 1, 2, 5 x 10^k inside a range of positive numbers."""
    steps = [m * 10.0**k for k in range(-6, 10) for m in (1, 2, 5)]
    return [s for s in steps if low <= s <= high]


def areas(sets: Sequence[dict[str, Any]]) -> str:
    """Class areas in thousandths of the frame, on a log scale: 5% to 95% a line, the middle half a bar, the median a
    tick; a row a bone, smallest first, the second set below the first."""
    classes = [c for c in sorted(sets[0]["classes"], key=lambda c: c["share"]["median"] or 0) if c["n"]]
    others = [{c["name"]: c for c in s["classes"] if c["n"]} for s in sets]
    ends = [c["share"][k] for s in others for c in s.values() for k in ("p5", "p95") if c["share"][k]]
    if not classes or not ends:
        return ""
    low, high = math.log10(min(ends)) - 0.03, math.log10(max(ends)) + 0.03
    left, width = 130, 1000
    bottom = 8 + ROW * len(classes)

    def x(value: float) -> float:
        return left + (width - left - 20) * (math.log10(max(value, 10**low)) - low) / max(high - low, 1e-9)

    out = [_open(width, bottom + 34, "Area of each bone", "areas")]
    for value in _nice(10**low, 10**high):
        out.append(f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="4" y2="{bottom}"/>')
        out.append(f'<text class="tick" x="{x(value):.1f}" y="{bottom + 15}">{value:g}</text>')
    out.append(f'<text class="tick" x="{(left + width) / 2}" y="{bottom + 31}">thousandths of the frame (log)</text>')
    small = smallest(sets[0])
    for k, line in enumerate(classes):
        name = line["name"]
        marked = " small" if name in small else ""
        out.append(f'<text class="name{marked}" x="{left - 8}" y="{8 + ROW * (k + 0.5) + 4:.1f}">{escape(name)}</text>')
        for side, there in zip(SIDES, others, strict=False):
            if name not in there:
                continue
            c = there[name]["share"]
            y = 8 + ROW * (k + 0.5) + (0 if len(sets) == 1 else (-4.5 if side == "a" else 4.5))
            told = f"{name}: median {c['median']:g}, half of the films {c['p25']:g} to {c['p75']:g}, n {c['n']}"
            out.append(
                f'<g class="{side}"><title>{escape(told)}</title>'
                f'<path class="whisker" d="M{x(c["p5"]):.1f} {y:.1f}H{x(c["p95"]):.1f}"/>'
                f'<rect class="half" x="{x(c["p25"]):.1f}" y="{y - 3:.1f}" '
                f'width="{max(x(c["p75"]) - x(c["p25"]), 1):.1f}" height="6"/>'
                f'<path class="median" d="M{x(c["median"]):.1f} {y - 4.5:.1f}v9"/></g>'
            )
    return "".join([*out, "</svg>"])


def overlap_matrix(s: dict[str, Any]) -> str:
    """Shared area as a part of the smaller bone, mean over the films that hold both; a darker cell shares more."""
    if not s["overlaps"]:
        return ""
    names = [c["name"] for c in s["classes"]]
    at = {name: k for k, name in enumerate(names)}
    cell, left, top = 20, 90, 90
    size = cell * len(names)
    out = [_open(left + size + 45, top + size + 4, "Which bones overlap", "matrix")]
    for k, name in enumerate(names):
        middle = cell * (k + 0.5)
        out.append(f'<text class="name" x="{left - 6}" y="{top + middle + 4:.0f}">{escape(name)}</text>')
        out.append(f'<text transform="translate({left + middle + 4:.0f} {top - 6}) rotate(-60)">{escape(name)}</text>')
        out.append(f'<path class="grid" d="M{left} {top + cell * k}h{size}M{left + cell * k} {top}v{size}"/>')
    out.append(f'<path class="grid" d="M{left} {top + size}h{size}M{left + size} {top}v{size}"/>')
    for o in s["overlaps"]:
        told = f"{o['a']} and {o['b']}: {100 * o['share']:.1f}% of the smaller, on {o['films']} of {o['both']} films"
        shade = min(1.0, 0.12 + math.sqrt(o["share"]))
        for row, column in ((o["a"], o["b"]), (o["b"], o["a"])):
            x, y = left + cell * at[column], top + cell * at[row]
            out.append(
                f'<rect class="cell" x="{x + 1}" y="{y + 1}" width="{cell - 2}" height="{cell - 2}" '
                f'fill-opacity="{shade:.2f}"><title>{escape(told)}</title></rect>'
            )
            if o["share"] >= 0.005:
                light = " on" if shade > 0.6 else ""
                text = f"{100 * o['share']:.0f}"
                out.append(f'<text class="cellnote{light}" x="{x + cell / 2}" y="{y + cell / 2 + 3.5}">{text}</text>')
    return "".join([*out, "</svg>"])


def rose(sets: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Directions of the fingers, 24 sectors of 15 degrees, up at the top; a sector's area is its share of the films.

    Args:
        sets: side and degrees of each.
    """
    sets = [(side, d) for side, d in sets if len(d)]
    if not sets:
        return ""
    shares = {
        side: np.bincount(((np.asarray(d, float) + 7.5) % 360 // 15).astype(int), minlength=24) / len(d)
        for side, d in sets
    }
    top = max(float(s.max()) for s in shares.values())
    radius, c = 125.0, 160.0
    out = [_open(2 * c, 2 * c, "Where the fingers point", "rose")]
    for ring in (0.25, 0.5, 0.75, 1):
        out.append(f'<circle class="grid" cx="{c}" cy="{c}" r="{radius * math.sqrt(ring):.1f}"/>')
    for text, x, y in (("up", c, 18), ("right", 2 * c - 18, c + 4), ("down", c, 2 * c - 8), ("left", 18, c + 4)):
        out.append(f'<text class="tick" x="{x:g}" y="{y:g}">{text}</text>')
    for side, values in shares.items():
        words = []
        for k, share in enumerate(values):
            r = radius * math.sqrt(share / top)
            if share == 0:
                continue
            one, two = (math.radians(15 * k + d) for d in (-7.5, 7.5))
            points = [(c + r * math.sin(t), c - r * math.cos(t)) for t in (one, two)]
            words.append(
                f"M{c:g} {c:g}L{points[0][0]:.1f} {points[0][1]:.1f}A{r:.1f} {r:.1f} 0 0 1 "
                f"{points[1][0]:.1f} {points[1][1]:.1f}Z"
            )
        told = f"<title>the largest sector is {100 * top:.0f}%</title>"
        out.append(f'<path class="sector {side}" d="{"".join(words)}">{told}</path>')
    return "".join([*out, "</svg>"])


def histogram(title: str, sets: Sequence[tuple[str, Sequence[float]]], bins: int = 24) -> str:
    """Shares of films over a number's range, the first set filled, the second a line.

    Args:
        sets: side and values of each.
    """
    sets = [(side, np.asarray(v, float)) for side, v in sets if len(v)]
    if not sets:
        return ""
    pooled = np.concatenate([v for _, v in sets])
    low, high = float(pooled.min()), float(pooled.max())
    if low == high:
        return f'<p class="facts"><b>{escape(title)}</b><br>{low:.4g} on all of them</p>'
    edges = np.linspace(low, high, bins + 1)
    shares = {side: np.histogram(v, edges)[0] / len(v) for side, v in sets}
    top = max(float(s.max()) for s in shares.values())
    width, height, base = 300.0, 130.0, 104.0
    step = (width - 20) / bins
    out = [_open(width, height, title, "histogram"), f'<text class="title" x="10" y="13">{escape(title)}</text>']
    for side, values in shares.items():
        heights = [base - (base - 24) * v / top for v in values]
        if side == "a":
            bars = "".join(
                f"M{10 + step * k:.1f} {base:g}V{h:.1f}h{step:.1f}V{base:g}Z" for k, h in enumerate(heights) if h < base
            )
            out.append(f'<path class="bar a" d="{bars}"/>')
        else:
            line = f"M10 {base:g}" + "".join(f"V{h:.1f}h{step:.1f}" for h in heights) + f"V{base:g}"
            out.append(f'<path class="step b" d="{line}"/>')
    out.append(f'<path class="grid zero" d="M10 {base:g}H{width - 10:g}"/>')
    for at, value, anchor in ((10, low, "start"), (width - 10, high, "end"), (width / 2, (low + high) / 2, "middle")):
        out.append(f'<text class="tick" style="text-anchor:{anchor}" x="{at:g}" y="{base + 15:g}">{value:.4g}</text>')
    return "".join([*out, "</svg>"])


def effects(lines: Sequence[dict[str, Any]]) -> str:
    """Distances with their intervals, the largest first, and beside each what chance gives; shares are left out."""
    lines = [d for d in lines if d["distance"] is not None]
    if not lines:
        return ""
    left, width, right = 300, 1000, 300
    bottom = 8 + ROW * len(lines)

    def x(value: float) -> float:
        return left + (width - left - right) * min(max(value, 0.0), 1.0)

    out = [_open(width, bottom + 34, "How far the sets are apart", "effects")]
    for k in range(0, 11, 2):
        out.append(f'<line class="grid" x1="{x(k / 10):.1f}" x2="{x(k / 10):.1f}" y1="4" y2="{bottom}"/>')
        out.append(f'<text class="tick" x="{x(k / 10):.1f}" y="{bottom + 15}">{k / 10:g}</text>')
    told = "D (numbers) or V (directions): 0 the same, 1 nothing in common"
    out.append(f'<text class="tick" x="{x(0.5):.0f}" y="{bottom + 31}">{told}</text>')
    for k, d in enumerate(lines):
        y = 8 + ROW * (k + 0.5)
        far = " far" if beyond(d) else ""
        first, second, shift, _, distance, spread, chance = figures(d)
        words = f"{distance} ({spread}){f', chance {chance}' if chance else ''}"
        out.append(
            f'<g class="row{far}"><title>{escape(words)}</title>'
            f'<text class="name" x="{left - 8}" y="{y + 4:.1f}">{escape(d["what"])}</text>'
            f'<path class="ci" d="M{x(d["distance_ci"][0]):.1f} {y:.1f}H{x(d["distance_ci"][1]):.1f}"/>'
            f'<circle class="dot" cx="{x(d["distance"]):.1f}" cy="{y:.1f}" r="4"/>'
        )
        if d["chance"] is not None:
            out.append(f'<path class="chance" d="M{x(d["chance"]):.1f} {y - 7:.1f}v14"/>')
        told = escape(f"{first} → {second} ({shift})")
        out.append(f'<text class="figure" x="{width - 4}" y="{y + 4:.1f}">{told}</text></g>')
    return "".join([*out, "</svg>"])
