"""The report as one self-contained HTML page: nothing is loaded from outside, all text is escaped."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from curate.errors import UsageError
from train.compare.forest import forest, mark
from train.compare.pictures import panels
from train.compare.result import VERDICTS, Comparison, Line, Side
from train.compare.source import FilmSource
from train.compare.svg import curves, distributions
from train.compare.text import (
    COLUMNS_EXPLAINED,
    by_difference,
    headline,
    interval,
    named,
    p_value,
    plain,
    seen,
    signed,
    sizes,
    star,
    surface_words,
    verdict_words,
)

_MOST_FILMS = 12
_COLUMNS = (
    ("name", "bone", "class or group"),
    ("verdict", "verdict", "by Holm's p, and by the margin"),
    ("n_present", "n", "films that hold it"),
    ("dice_a", "Dice A", "mean over patients and seeds"),
    ("dice_b", "Dice B", "mean over patients and seeds"),
    ("delta", "B - A", "difference in Dice"),
    ("ci", "interval", "of the difference"),
    ("p", "p", "two-sided, not adjusted"),
    ("p_holm", "p Holm", "adjusted over the classes"),
    ("effect", "effect", "mean over standard deviation of the patients' differences"),
    ("wins", "w/t/l", "patients that gained, stayed within 0.001, lost"),
    ("detectable", "seen", "smallest true difference this experiment would have shown"),
    ("seed_share", "seeds", "share of the variance that the seeds make"),
    ("nsd_a", "NSD A", "normalised surface Dice"),
    ("nsd_delta", "B - A", "difference in NSD"),
    ("hd95_a", "HD95 A", "pixels"),
    ("hd95_b", "HD95 B", "pixels"),
    ("nsd_mm_a", "NSD mm A", "normalised surface Dice at the tolerance in millimetres"),
    ("nsd_mm_delta", "B - A", "difference in NSD at the tolerance in millimetres"),
    ("hd95_mm_a", "HD95 mm A", "millimetres"),
    ("hd95_mm_b", "HD95 mm B", "millimetres"),
    ("reader", "readers", "Dice between two readers"),
)


def templates() -> tuple[Any, Any]:
    """The environment of the pages, which escapes what it is given, and the class of text that is markup already.

    Raises:
        UsageError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment
        from markupsafe import Markup
    except ImportError:
        raise UsageError(None, "the page needs jinja2: pip install 'carpus[train]'") from None
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True), Markup


def asset(name: str) -> str:
    """A template, style sheet or script of the pages."""
    return resources.files("train.compare").joinpath(name).read_text(encoding="utf-8")


def page(comparison: Comparison, source: FilmSource | None = None) -> str:
    """The page as text.

    Args:
        source: of the films, for the pictures.

    Raises:
        UsageError: jinja2 is not installed.
    """
    c = comparison
    environment, markup = templates()
    classes = tuple(line.name for line in c.classes)
    gained, lost = panels(c, source, classes)
    shown = [column for column in _COLUMNS if any(_value(line, column[0]) != "" for line in c.classes)]
    row = environment.from_string(
        '<tr>{% for css, value, text in cells %}<{{ "th" if loop.first else "td" }}{% if css %} class="{{ css }}"'
        '{% endif %}{% if value is not none %} data-value="{{ value }}"{% endif %}>{{ text }}'
        '</{{ "th" if loop.first else "td" }}>{% endfor %}</tr>\n'
    )
    return environment.from_string(asset("report.html")).render(
        c=c,
        css=markup(asset("report.css")),
        js=markup(asset("report.js")),
        headline=headline(c),
        sizes=sizes(c),
        named=[(v, named(c, v)) for v in ("better", "worse") if c.seed_variance_known and named(c, v)],
        star=star(c),
        explained=COLUMNS_EXPLAINED,
        forest=markup(forest(c)),
        verdicts=VERDICTS if c.seed_variance_known else (),
        marks={v: markup(mark(v, 8, 8)) for v in VERDICTS},
        has_reader=any(not math.isnan(line.reader) for line in c.classes),
        columns=shown,
        table_row=lambda line: markup(row.render(cells=[_cell(c, line, key) for key, _, _ in shown])),
        totals=[c.overall, *c.groups],
        rows=by_difference(c.classes),
        measured=surface_words(c),
        absent=[n for n in c.classes if n.missed_a or n.missed_b or n.invented_a or n.invented_b],
        absent_sums=[sum(getattr(n, f"{k}_{s}") for n in c.classes) for k in ("missed", "invented") for s in "ab"],
        gained=gained,
        lost=lost,
        best=[f for f in c.films if f.delta > 0][:_MOST_FILMS],
        worst=[f for f in reversed(c.films) if f.delta < 0][:_MOST_FILMS],
        distributions=markup(distributions(c)),
        curves=[markup(curve) for curve in _curves(c)],
        facts=_facts(c),
        config=_config(c),
        plain=plain,
        signed=signed,
        interval=interval,
    )


def _value(line: Line, key: str) -> float | str:
    """What a column is sorted by; empty where undefined."""
    value = getattr(line, key)
    value = (value[1] - value[0]) if key == "ci" else value
    return "" if isinstance(value, float) and math.isnan(value) else value


def _cell(c: Comparison, line: Line, key: str) -> tuple[str, Any, str]:
    """Style, sorting value and text of one cell."""
    value = _value(line, key)
    if key == "name":
        return "", None, line.name
    if key == "verdict":
        return f"verdict {line.verdict}", None, verdict_words(c, line)
    if key == "wins":
        return "", line.wins - line.losses, f"{line.wins}/{line.ties}/{line.losses}"
    if key == "ci":
        return "", value, interval(line.ci)
    if key in ("p", "p_holm"):
        return "", value, p_value(getattr(line, key))
    if key.endswith("delta"):
        return "", value, signed(getattr(line, key))
    places = {"effect": 2, "hd95_a": 1, "hd95_b": 1, "hd95_mm_a": 2, "hd95_mm_b": 2}.get(key, 4)
    if key == "seed_share":
        return "", value, "" if value == "" else f"{100 * line.seed_share:.0f}%"
    if key == "detectable":
        return "", value, seen(line.detectable)
    text = str(value) if isinstance(value, int) else plain(getattr(line, key), places)
    return "", value, text


def _facts(c: Comparison) -> list[tuple[str, str, str]]:
    """What was compared, side by side: facts, lineage, seeds, folds, then what else differs."""
    rows = [(what, a, b) for what, (a, b) in side_facts((c.a, c.b))]
    said = {row[0] for row in rows}
    return rows + [(w, a, b) for w, a, b in c.differences if w.replace("_", " ") not in said]


def side_facts(sides: Sequence[Side]) -> list[tuple[str, list[str]]]:
    """What is known of some arms, a row a fact: where the runs are, versions, digests, lineage, seeds, folds."""
    rows = [("runs", [side.path for side in sides])]
    for key in dict.fromkeys(key for side in sides for key in side.facts):
        rows.append((key.replace("_", " "), [str(side.facts.get(key, "")) for side in sides]))
    if any(side.lineage for side in sides):
        rows.append(("lineage", [" → ".join(side.lineage) for side in sides]))
    return rows + [(key, [", ".join(getattr(side, key)) for side in sides]) for key in ("seeds", "folds")]


def _config(c: Comparison) -> str:
    return yaml.safe_dump(c.config, sort_keys=False, allow_unicode=True) if c.config else ""


def _curves(c: Comparison) -> list[str]:
    """Loss and inner Dice of every run of both arms, where ``log.csv`` holds them."""
    made = []
    for column, title in (("loss", "Training loss"), ("inner_dice", "Dice on the inner split")):
        arms = [
            (f"{side} {of.name}", [_log(folder / "log.csv", column) for folder in folders])
            for side, of, folders in zip("AB", (c.a, c.b), c.run_folders, strict=True)
        ]
        made.append(curves(title, arms))
    return [curve for curve in made if curve]


def _log(path: Path, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one column of a run's log; empty where there is none."""
    points = []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                try:
                    point = float(row["step"]), float(row[column])
                except (KeyError, TypeError, ValueError):
                    continue  # another column's row, or a log of another shape
                if all(map(math.isfinite, point)):
                    points.append(point)
    except (OSError, UnicodeDecodeError, csv.Error):
        return np.empty(0), np.empty(0)
    table = np.array(points).reshape(-1, 2)
    return table[:, 0], table[:, 1]
