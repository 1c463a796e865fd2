"""The page of the crops study, and its picture: differences with their intervals for both crops, bone by bone."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from train.config import load

ROW, NAME, PLOT = 19, 108, 250
COLOURS = {"better": "#0072b2", "worse": "#d55e00", "equivalent": "#009e73", "inconclusive": "#888888"}
"""Told apart by colour-blind readers (Okabe and Ito, 2008); the marks differ in shape too."""

_PAGE = """\
# A small study: do crops help?

A phantom of {patients} patients at {pixels} pixels; v1 against a version with one crop of the carpal bones for each
film, and one with one crop round the fingertips for each film (`augment crop --region carpal`, `fingertips`).
{network}, trained at {size} pixels for {steps} steps of {batch} in every arm ({plain} samples in
v1, {cropped} with crops), {seeds} seeds; scored at native size on {films} films of {held} patients that no arm trained
on. Page, picture and figures come from

```
python -m benchmarks.crops_study FOLDER {options} --seeds {seeds} --page docs/crops-study.md
```

{form}
It says what this experiment found, and nothing about real films.

To bear in mind: all arms take the same number of steps, so that with one crop a film each film is seen half as often as
in v1. A carpal crop shows its bones 2.8 to 4.0 times as large as its film does, a fingertip crop 1.1 to 1.7 times (the
scale of each is in `curate show carpal --json`), and films are scored whole. In a batch that holds both, the Dice loss
of a bone, which is taken over the batch, is mostly that of its larger copies.

![Differences in Dice with their intervals](img/crops_study.svg)

"""


def write_page(path: Path, found: dict[str, dict[str, Any]], given: Namespace) -> Path:
    """Write the page and, in ``img/`` beside it, its picture.

    Args:
        path: of the page. found: arm -> the object of ``train --against --json``.
        given: the options of the study.
    """
    picture = path.parent / "img" / "crops_study.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(forest(found), encoding="utf-8")
    path.write_text("\n".join(_page(found, given)) + "\n", encoding="utf-8")
    return path


def _page(found: dict[str, dict[str, Any]], given: Namespace) -> list[str]:
    first = next(iter(found.values()))
    options = f"--patients {given.patients} --pixels {given.pixels} --size {given.size} --steps {given.steps}"
    network, batch = "FPN on EfficientNet-lite0 (ImageNet weights)", 4
    form = "It is the form of the study for a machine without a GPU: few patients, few steps, simulated films."
    if given.config:
        config = load(given.config)
        options += f" --config {given.config}"
        network, batch = f"{config.architecture} on {config.encoder}", config.batch * config.accumulate
        form = "The films are simulated."
    steps, training = first["a"].get("steps"), [side.get("n_training") for side in (first["a"], first["b"])]
    told = _PAGE.format(
        network=network, batch=batch, form=form,
        steps=steps, plain=training[0], cropped=training[1], options=options, seeds=first["n_seeds"],
        films=first["n_images"], held=first["n_groups"], patients=given.patients, pixels=given.pixels, size=given.size,
    )  # fmt: skip
    lines = told.splitlines()
    for name, comparison in found.items():
        lines += [f"- **{name}**: {_verdict(comparison)}"]
    lines += ["", "| bone | v1 | " + "".join(f"{name}: difference | verdict | " for name in found).strip()]
    lines += ["|---|---|" + "---|---|" * len(found)]
    for row in zip(*([*c["groups"], *c["classes"], c["overall"]] for c in found.values()), strict=True):
        cells = [f"{_signed(line['delta'])} {_interval(line)} | {line['verdict']}" for line in row]
        name = row[0].get("name") or "overall"
        lines.append(f"| {name} | {_plain(row[0]['dice_a'])} | {' | '.join(cells)} |")
    return lines


def _verdict(comparison: dict[str, Any]) -> str:
    overall = comparison["overall"]
    count = Counter(line["verdict"] for line in comparison["classes"])
    bones = ", ".join(f"{n} {verdict}" for verdict, n in sorted(count.items()))
    return (
        f"mean Dice over bones {_plain(overall['dice_a'])} to {_plain(overall['dice_b'])}, difference "
        f"{_signed(overall['delta'])} {_interval(overall)}: {overall['verdict']} (margin {comparison['margin']:g}). "
        f"Bones: {bones}."
    )


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


def _interval(line: dict[str, Any]) -> str:
    return "" if line["ci"] is None else f"[{line['ci'][0]:+.3f}, {line['ci'][1]:+.3f}]"


def forest(found: dict[str, dict[str, Any]]) -> str:
    """One panel an arm, each on its own scale, bones in canonical order, the whole at the end: a standalone SVG."""
    panels = {name: [*c["classes"], {**c["overall"], "name": "overall"}] for name, c in found.items()}
    names = [line["name"] for line in next(iter(panels.values()))]
    width, height = NAME + len(panels) * (PLOT + 24), 46 + ROW * len(names) + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for row, name in enumerate(names):
        out.append(_text(NAME - 8, 46 + ROW * (row + 0.7), name, "end"))
    for k, (title, lines) in enumerate(panels.items()):
        left, margin = NAME + k * (PLOT + 24), found[title]["margin"]
        reach = min(max([0.01, *(abs(v) for line in lines for v in line["ci"] or ())]), 1.0) * 1.05
        out += _panel(left, title, lines, reach, margin, height)
    return "".join([*out, "</svg>\n"])


def _panel(
    left: float, title: str, lines: list[dict[str, Any]], reach: float, margin: float, height: float
) -> list[str]:
    def x(value: float) -> float:
        return left + PLOT * (min(max(value, -reach), reach) + reach) / (2 * reach)

    top, bottom = 42, height - 30
    out = [
        _text(left + PLOT / 2, 18, f"{title} - v1", "middle", "bold"),
        _text(left, 36, "◀ v1 better"),
        _text(left + PLOT, 36, f"{title} better ▶", "end"),
        f'<rect x="{x(-margin):.1f}" y="{top}" width="{x(margin) - x(-margin):.1f}" height="{bottom - top}" '
        'fill="#eeeeee"/>',
        f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{top}" y2="{bottom}" stroke="#444444"/>',
    ]
    for value, anchor in ((-reach / 1.05, "start"), (0, "middle"), (reach / 1.05, "end")):
        out.append(_text(x(value), bottom + 18, f"{value:+.2f}" if value else "0", anchor))
    for row, line in enumerate(lines):
        if line["delta"] is None:
            continue
        y, colour = 46 + ROW * (row + 0.5), COLOURS[line["verdict"]]
        if line["ci"] is not None:
            a, b = (x(v) for v in line["ci"])
            out.append(f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
        out.append(_mark(line["verdict"], x(line["delta"]), y, colour))
    return out


def _mark(verdict: str, x: float, y: float, colour: str) -> str:
    if verdict == "better":
        return f'<path d="M{x:.1f} {y - 6}l5 9h-10z" fill="{colour}"/>'
    if verdict == "worse":
        return f'<path d="M{x:.1f} {y + 6}l5 -9h-10z" fill="{colour}"/>'
    if verdict == "equivalent":
        return f'<rect x="{x - 4:.1f}" y="{y - 4}" width="8" height="8" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="#ffffff" stroke="{colour}" stroke-width="2"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="#222222">'
        f"{escape(text)}</text>"
    )
