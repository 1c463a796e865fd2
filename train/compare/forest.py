"""Forest plots as inline SVG: differences with their intervals; colours are the style sheet's, all text is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from train.compare.rank import Ranking
from train.compare.result import Comparison, Line
from train.compare.svg import LEFT, PLOT, RIGHT, ROW, short, tick
from train.compare.text import by_difference, interval, p_value, signed

_WIDTH = LEFT + PLOT + RIGHT


@dataclass(frozen=True)
class _Row:
    """A line of the plot: what to call it, whether it has a verdict, whether it stands for many bones."""

    line: Line
    name: str
    known: bool
    whole: bool


def forest(comparison: Comparison) -> str:
    """Differences with their intervals, bones ordered by difference, the groups and the whole below.

    The mark's shape tells the verdict: triangle up better, triangle down worse, square equivalent, circle inconclusive.
    """
    c = comparison
    known = c.seed_variance_known
    rows: list[_Row | None] = [_Row(x, x.name, known, False) for x in by_difference(c.classes) if x.n_patients]
    rows.append(None)
    rows += [_Row(x, x.name, known, True) for x in (*c.groups, c.overall) if x.n_patients]
    return _plot(rows, c, "B - A", ("A better", "B better"))


def ranking_forest(ranking: Ranking) -> str:
    """The mean over all bones of each arm less that of the first, best arm first."""
    rows: list[_Row | None] = [
        _Row(c.overall, name, c.seed_variance_known, True)
        for name, _, c in ranking.order
        if c is not None and c.overall.n_patients
    ]
    first = ranking.first.a.name
    return _plot(rows, ranking.first, f"less {first}", (f"{short(first)} better", "the other better"))


def _plot(rows: Sequence[_Row | None], c: Comparison, what: str, sides: tuple[str, str]) -> str:
    low, high = _range([row.line for row in rows if row], c.margin)
    step = tick(high - low)
    height = ROW * len(rows) + 70

    def x(value: float) -> float:
        return LEFT + PLOT * (min(max(value, low), high) - low) / (high - low)

    top, bottom = 30, 34 + ROW * len(rows)
    out = [
        f'<svg class="chart forest" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Differences in Dice">',
        f'<rect class="band" x="{x(-c.margin):.1f}" y="{top}" width="{x(c.margin) - x(-c.margin):.1f}" '
        f'height="{bottom - top}"><title>margin: ±{c.margin:g}</title></rect>',
    ]
    for k in range(math.ceil(low / step), math.floor(high / step) + 1):
        at, zero = x(k * step), " zero" if k == 0 else ""
        out.append(f'<line class="grid{zero}" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>')
        out.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 14}">{0 if k == 0 else signed(k * step, 3)}</text>')
    head = f"difference [{100 * c.confidence:g}% interval]"
    out += [
        f'<text class="tick" x="{LEFT + PLOT / 2}" y="{height - 5}">difference in Dice, {escape(what)}</text>',
        f'<text class="side" x="{x(0) - 8:.1f}" y="18" text-anchor="end">◀ {escape(sides[0])}</text>',
        f'<text class="side" x="{x(0) + 8:.1f}" y="18">{escape(sides[1])} ▶</text>',
        f'<text class="number" x="{LEFT + PLOT + 214}" y="18">{head}</text>',
        f'<text class="number" x="{_WIDTH - 4}" y="18">p (Holm)</text>',
    ]
    for i, row in enumerate(rows):
        y = top + 6 + ROW * i + ROW / 2
        if row is None:
            out.append(f'<line class="rule" x1="0" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        else:
            out.append(_drawn(row, y, x, (low, high)))
    return "".join([*out, "</svg>"])


def _drawn(row: _Row, y: float, x: Callable[[float], float], ends: tuple[float, float]) -> str:
    line, kind = row.line, row.line.verdict if row.known else "inconclusive"
    out = [
        f'<g class="row {kind}{" whole" if row.whole else ""}"><title>{escape(row.name)}: {line.dice_a:.4f} to '
        f"{line.dice_b:.4f}, {escape(kind)}</title>",
        f'<text class="name" x="{LEFT - 10}" y="{y + 4:.1f}">{escape(short(row.name))}</text>',
    ]
    if not math.isnan(line.ci[0]):
        left, right = (x(v) for v in line.ci)
        out.append(f'<line class="ci" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if line.ci[0] < ends[0]:  # an arrow where an interval leaves the chart
            out.append(f'<path class="ci arrow" d="M{left + 6:.1f} {y - 4:.1f}l-6 4l6 4"/>')
        if line.ci[1] > ends[1]:
            out.append(f'<path class="ci arrow" d="M{right - 6:.1f} {y - 4:.1f}l6 4l-6 4"/>')
    if not math.isnan(line.reader):
        gain = line.reader - line.dice_a
        at = x(gain)
        if LEFT < at < LEFT + PLOT:
            out.append(
                f'<path class="ceiling" d="M{at:.1f} {y - 8:.1f}v16"><title>two readers agree at {line.reader:.3f}: '
                f"a gain beyond {signed(gain)} means little</title></path>"
            )
    out.append(mark(kind, x(line.delta), y))
    told = f"{signed(line.delta)} {interval(line.ci)}"
    out.append(f'<text class="number" x="{LEFT + PLOT + 214}" y="{y + 4:.1f}">{told}</text>')
    out.append(f'<text class="number" x="{_WIDTH - 4}" y="{y + 4:.1f}">{escape(p_value(line.p_holm))}</text></g>')
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


def _range(lines: list[Line], margin: float) -> tuple[float, float]:
    values = [v for line in lines for v in (*line.ci, line.delta) if not math.isnan(v)]
    margin = max(margin, 1e-3)
    low, high = min([*values, -margin]), max([*values, margin])
    # an interval of two seeds can be wider than all the rest together; it runs off the chart rather than flatten it
    centre = max((abs(line.delta) for line in lines if not math.isnan(line.delta)), default=margin)
    limit = 3 * max(centre, margin)
    low, high = max(low, -limit), min(high, limit)
    pad = 0.04 * (high - low)
    return low - pad, high + pad
