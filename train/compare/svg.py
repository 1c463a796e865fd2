"""Charts of spread and of training as inline SVG: colours are the style sheet's, all text is escaped."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from train.compare.result import Comparison
from train.compare.text import by_difference, signed

ROW, LEFT, PLOT, RIGHT = 20, 150, 520, 290
_CURVE_W, _CURVE_H = 420, 200
_FEW_DOTS = 40  # patients, up to which each dot is drawn large


def distributions(comparison: Comparison) -> str:
    """Patients' differences, a row a bone in the forest's order: patients as dots, quartiles a bar, median a line."""
    c = comparison
    bones = [line for line in by_difference(c.classes) if line.n_patients]
    if not bones:
        return ""
    reach = float(np.quantile(np.abs(np.concatenate([line.per_patient for line in bones])), 0.99))
    reach = max(reach, c.margin, 1e-3) * 1.05
    step = tick(2 * reach)
    width, height = LEFT + PLOT + RIGHT, ROW * len(bones) + 50

    def x(value: float) -> float:
        return LEFT + (PLOT + 130) * (min(max(value, -reach), reach) + reach) / (2 * reach)

    bottom = 10 + ROW * len(bones)
    out = [
        f'<svg class="chart spread" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="Differences of the patients, by bone">'
    ]
    for k in range(-math.floor(reach / step), math.floor(reach / step) + 1):
        at, zero = x(k * step), " zero" if k == 0 else ""
        out.append(f'<line class="grid{zero}" x1="{at:.1f}" x2="{at:.1f}" y1="6" y2="{bottom}"/>')
        out.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 15}">{0 if k == 0 else signed(k * step, 3)}</text>')
    told = "difference in Dice of each patient, B - A; dots at the edge lie beyond it"
    out.append(f'<text class="tick" x="{LEFT + (PLOT + 130) / 2}" y="{height - 6}">{told}</text>')
    for i, line in enumerate(bones):
        y = 10 + ROW * i + ROW / 2
        d = line.per_patient
        q1, median, q3 = np.quantile(d, (0.25, 0.5, 0.75))
        out.append(f'<text class="name" x="{LEFT - 10}" y="{y + 4:.1f}">{escape(short(line.name))}</text>')
        # a fixed, even scatter about the row: the same bytes for the same inputs
        offsets = ((np.arange(d.size) * 0.618034) % 1.0 - 0.5) * 10
        dots = "".join(f"M{x(v):.1f} {y + o:.1f}h0" for v, o in zip(d, offsets, strict=True))
        across = max(x(q3) - x(q1), 1)
        out.append(f'<rect class="box" x="{x(q1):.1f}" y="{y - 5:.1f}" width="{across:.1f}" height="10"/>')
        few = " few" if d.size <= _FEW_DOTS else ""
        out.append(f'<path class="dots{few}" d="{dots}"/>')
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
        out.append(f'<text class="side" x="{left + 150 * k + 26}" y="{_CURVE_H - 1}">{escape(short(name, 18))}</text>')
    return "".join([*out, "</svg>"])


def tick(extent: float) -> float:
    """A round step that divides an extent into about seven."""
    raw = extent / 7
    power = 10 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw)


def short(name: str, most: int = 20) -> str:
    """A name that fits beside a chart."""
    return name if len(name) <= most else name[: most - 1] + "…"
