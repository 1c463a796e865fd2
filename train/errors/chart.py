"""Every film's Dice by bone as inline SVG: films as dots, those out of line marked, the median a line."""

from __future__ import annotations

from html import escape

import numpy as np

from train.errors.findings import Findings

_ROW, _LEFT, _PLOT, _RIGHT = 18, 120, 720, 90
_MOST_DOTS = 400  # a row; of more films an even choice is drawn, and all that are out of line


def spread(found: Findings) -> str:
    """The chart, worst bone first; empty where nothing was scored."""
    means = found.bone_means()
    order = [int(k) for k in np.argsort(means, kind="stable") if np.isfinite(means[k])]
    if not order:
        return ""
    low = min(0.95, np.floor(float(np.nanquantile(found.dice, 0.01)) * 10) / 10)
    odd = {(outlier.film, bone) for outlier in found.outliers for bone in outlier.bones}
    height = _ROW * len(order) + 40
    width = _LEFT + _PLOT + _RIGHT

    def x(value: float) -> float:
        return _LEFT + _PLOT * (max(value, low) - low) / (1 - low)

    out = [f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="Dice of every film, by bone">']
    for tick in np.linspace(low, 1, 6):
        out.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 32}"/>')
        out.append(f'<text class="tick" x="{x(tick):.1f}" y="{height - 18}">{tick:.2f}</text>')
    told = "Dice; dots at the left edge lie below" if low > 0 else "Dice"
    out.append(f'<text class="tick" x="{_LEFT + _PLOT / 2}" y="{height - 3}">{told}</text>')
    for i, k in enumerate(order):
        y = 4 + _ROW * (i + 0.5)
        films = np.flatnonzero(np.isfinite(found.dice[:, k]))
        shown = set(films[:: max(1, len(films) // _MOST_DOTS)].tolist()) | {f for f, bone in odd if bone == k}
        # a fixed, even scatter about the row: the same bytes for the same scores
        places = {f: (x(float(found.dice[f, k])), y + ((f * 0.618034) % 1.0 - 0.5) * 9) for f in sorted(shown)}
        dots = "".join(f"M{a:.1f} {b:.1f}h0" for f, (a, b) in places.items() if (f, k) not in odd)
        marks = "".join(
            f'<circle class="odd" cx="{a:.1f}" cy="{b:.1f}" r="4"><title>{escape(found.films[f].id)}</title></circle>'
            for f, (a, b) in places.items()
            if (f, k) in odd
        )
        median = x(float(np.median(found.dice[films, k])))
        out.append(f'<text class="name" x="{_LEFT - 8}" y="{y + 4:.1f}">{escape(found.classes[k][:16])}</text>')
        out.append(f'<path class="dots" d="{dots}"/><path class="median" d="M{median:.1f} {y - 6:.1f}v12"/>{marks}')
        out.append(f'<text class="number" x="{width - 4}" y="{y + 4:.1f}">mean {means[k]:.3f}</text>')
    return "".join([*out, "</svg>"])
