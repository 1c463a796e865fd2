"""Charts as inline SVG: colours come from the page's style sheet, all text is escaped."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from train.compare.result import Comparison, Line
from train.compare.text import by_difference, interval, p_value, signed

_ROW, _LEFT, _PLOT, _RIGHT = 20, 150, 520, 290
_CURVE_W, _CURVE_H = 420, 200


def forest(comparison: Comparison) -> str:
    """Differences with their intervals, bones ordered by difference, the whole and the groups below.

    The mark's shape tells the verdict: triangle up better, triangle down worse, square equivalent, circle inconclusive.
    """
    c = comparison
    bones = [line for line in by_difference(c.classes) if line.n_patients]
    rows: list[Line | None] = [*bones, None, *c.groups, c.overall] if c.groups else [*bones, None, c.overall]
    low, high = _range([line for line in rows if line], c.margin)
    step = _tick(high - low)
    height = _ROW * len(rows) + 62
    width = _LEFT + _PLOT + _RIGHT

    def x(value: float) -> float:
        return _LEFT + _PLOT * (min(max(value, low), high) - low) / (high - low)

    top, bottom = 30, 34 + _ROW * len(rows)
    out = [
        f'<svg class="chart forest" viewBox="0 0 {width} {height}" role="img" aria-label="Difference in Dice by bone">',
        f'<rect class="band" x="{x(-c.margin):.1f}" y="{top}" width="{x(c.margin) - x(-c.margin):.1f}" '
        f'height="{bottom - top}"><title>margin: ±{c.margin:g}</title></rect>',
    ]
    for k in range(math.ceil(low / step), math.floor(high / step) + 1):
        at, zero = x(k * step), " zero" if k == 0 else ""
        out.append(f'<line class="grid{zero}" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>')
        out.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 15}">{0 if k == 0 else signed(k * step, 3)}</text>')
    head = f"difference [{100 * c.confidence:g}% interval]"
    out += [
        f'<text class="tick" x="{_LEFT + _PLOT / 2}" y="{height - 2}">difference in Dice, B - A</text>',
        f'<text class="side" x="{x(0) - 8:.1f}" y="18" text-anchor="end">◀ A better</text>',
        f'<text class="side" x="{x(0) + 8:.1f}" y="18">B better ▶</text>',
        f'<text class="number" x="{_LEFT + _PLOT + 214}" y="18">{head}</text>',
        f'<text class="number" x="{width - 4}" y="18">p (Holm)</text>',
    ]
    for i, line in enumerate(rows):
        if line is None:
            y = top + 6 + _ROW * i + _ROW / 2
            out.append(f'<line class="rule" x1="0" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        else:
            out.append(_forest_row(line, top + 6 + _ROW * i + _ROW / 2, x, width, c))
    return "".join([*out, "</svg>"])


def _forest_row(line: Line, y: float, x, width: int, c: Comparison) -> str:
    weight = " whole" if line is c.overall or line in c.groups else ""
    kind = line.verdict if c.seed_variance_known else "inconclusive"
    out = [
        f'<g class="row {kind}{weight}"><title>{escape(line.name)}: {line.dice_a:.4f} to {line.dice_b:.4f}, '
        f"{escape(kind)}</title>",
        f'<text class="name" x="{_LEFT - 10}" y="{y + 4:.1f}">{escape(_short(line.name))}</text>',
    ]
    if not math.isnan(line.ci[0]):
        ends = [x(v) for v in line.ci]
        out.append(f'<line class="ci" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    if not math.isnan(line.reader):
        gain = line.reader - line.dice_a
        at = x(gain)
        if _LEFT < at < _LEFT + _PLOT:
            out.append(
                f'<path class="ceiling" d="M{at:.1f} {y - 8:.1f}v16"><title>two readers agree at {line.reader:.3f}: '
                f"a gain beyond {signed(gain)} means little</title></path>"
            )
    out.append(mark(kind, x(line.delta), y))
    told = f"{signed(line.delta)} {interval(line.ci)}"
    out.append(f'<text class="number" x="{_LEFT + _PLOT + 214}" y="{y + 4:.1f}">{told}</text>')
    out.append(f'<text class="number" x="{width - 4}" y="{y + 4:.1f}">{escape(p_value(line.p_holm))}</text></g>')
    return "".join(out)


def mark(verdict: str, x: float, y: float, size: float = 5.5) -> str:
    """The shape of a verdict around a point."""
    r = size
    if verdict == "better":
        return f'<path class="mark" d="M{x:.1f} {y - r:.1f}l{r:.1f} {1.8 * r:.1f}h{-2 * r:.1f}z"/>'
    if verdict == "worse":
        return f'<path class="mark" d="M{x:.1f} {y + r:.1f}l{r:.1f} {-1.8 * r:.1f}h{-2 * r:.1f}z"/>'
    if verdict == "equivalent":
        return f'<rect class="mark" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<circle class="mark open" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def distributions(comparison: Comparison) -> str:
    """Patients' differences, a row a bone in the forest's order: patients as dots, quartiles a bar, median a line."""
    c = comparison
    bones = [line for line in by_difference(c.classes) if line.n_patients]
    every = np.concatenate([line.per_patient for line in bones])
    reach = float(np.quantile(np.abs(every), 0.99)) if every.size else 0.0
    reach = max(reach, c.margin, 1e-3) * 1.05
    step = _tick(2 * reach)
    width, height = _LEFT + _PLOT + _RIGHT, _ROW * len(bones) + 44

    def x(value: float) -> float:
        return _LEFT + (_PLOT + 200) * (min(max(value, -reach), reach) + reach) / (2 * reach)

    bottom = 10 + _ROW * len(bones)
    out = [
        f'<svg class="chart spread" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="Differences of the patients, by bone">'
    ]
    for k in range(-math.floor(reach / step), math.floor(reach / step) + 1):
        at, zero = x(k * step), " zero" if k == 0 else ""
        out.append(f'<line class="grid{zero}" x1="{at:.1f}" x2="{at:.1f}" y1="6" y2="{bottom}"/>')
        out.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 15}">{0 if k == 0 else signed(k * step, 3)}</text>')
    told = "difference in Dice of each patient, B - A; dots at the edge lie beyond it"
    out.append(f'<text class="tick" x="{_LEFT + (_PLOT + 200) / 2}" y="{height - 2}">{told}</text>')
    for i, line in enumerate(bones):
        y = 10 + _ROW * i + _ROW / 2
        d = line.per_patient
        q1, median, q3 = np.quantile(d, (0.25, 0.5, 0.75))
        out.append(f'<text class="name" x="{_LEFT - 10}" y="{y + 4:.1f}">{escape(_short(line.name))}</text>')
        # a fixed, even scatter about the row: the same bytes for the same inputs
        offsets = ((np.arange(d.size) * 0.618034) % 1.0 - 0.5) * 10
        dots = "".join(f"M{x(v):.1f} {y + o:.1f}h0" for v, o in zip(d, offsets, strict=True))
        out.append(f'<path class="dots" d="{dots}"/>')
        across = max(x(q3) - x(q1), 1)
        out.append(f'<rect class="box" x="{x(q1):.1f}" y="{y - 5:.1f}" width="{across:.1f}" height="10"/>')
        out.append(f'<path class="median" d="M{x(median):.1f} {y - 6:.1f}v12"/>')
        told = f"{line.wins} up, {line.ties} even, {line.losses} down"
        out.append(f'<text class="number" x="{width - 4}" y="{y + 4:.1f}">{told}</text>')
    return "".join([*out, "</svg>"])


def curves(title: str, arms: list[tuple[str, list[tuple[np.ndarray, np.ndarray]]]]) -> str:
    """Training curves: one line a run, one style an arm.

    Args:
        arms: name and its runs, each a pair of float arrays, steps and values.
    """
    points = [(s, v) for _, runs in arms for s, v in runs if len(s)]
    if not points:
        return ""
    steps, values = (np.concatenate(p) for p in zip(*points, strict=True))
    x1, low, high = max(float(steps.max()), 1.0), float(values.min()), float(np.quantile(values, 0.995))
    high = high if high > low else low + 1.0
    left, top = 48, 26

    def path(s: np.ndarray, v: np.ndarray) -> str:
        keep = np.unique(np.linspace(0, len(s) - 1, min(len(s), 300)).astype(int))
        at = [
            f"{left + (_CURVE_W - left - 8) * a / x1:.1f} "
            f"{top + (_CURVE_H - top - 34) * (1 - (min(b, high) - low) / (high - low)):.1f}"
            for a, b in zip(s[keep], v[keep], strict=True)
        ]
        return "M" + "L".join(at)

    floor = _CURVE_H - 34
    out = [
        f'<svg class="chart curve" viewBox="0 0 {_CURVE_W} {_CURVE_H}" role="img" aria-label="{escape(title)}">',
        f'<text class="side" x="{left}" y="15">{escape(title)}</text>',
        f'<path class="grid zero" d="M{left} {top}V{floor}H{_CURVE_W - 8}"/>',
        f'<text class="number" x="{left - 5}" y="{top + 8}">{high:.3g}</text>',
        f'<text class="number" x="{left - 5}" y="{floor}">{low:.3g}</text>',
        f'<text class="tick" x="{(left + _CURVE_W) / 2}" y="{floor + 15}">optimiser step (0 to {x1:g})</text>',
    ]
    for k, (name, runs) in enumerate(arms):
        side = "ab"[k]
        out += [f'<path class="run {side}" d="{path(s, v)}"/>' for s, v in runs if len(s)]
        out.append(f'<path class="run {side}" d="M{left + 150 * k} {_CURVE_H - 5}h20"/>')
        out.append(f'<text class="side" x="{left + 150 * k + 26}" y="{_CURVE_H - 1}">{escape(_short(name, 18))}</text>')
    return "".join([*out, "</svg>"])


def _range(lines: list[Line], margin: float) -> tuple[float, float]:
    values = [v for line in lines for v in (*line.ci, line.delta) if not math.isnan(v)]
    low, high = min([*values, -margin]), max([*values, margin])
    # an interval of two seeds can be wider than all the rest together; it runs off the chart rather than flatten it
    centre = max((abs(line.delta) for line in lines if not math.isnan(line.delta)), default=margin)
    limit = 3 * max(centre, margin)
    low, high = max(low, -limit), min(high, limit)
    pad = 0.04 * (high - low)
    return low - pad, high + pad


def _tick(extent: float) -> float:
    raw = extent / 7
    power = 10 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw)


def _short(name: str, most: int = 20) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
