"""The page of a ranking, and the files that go with it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from curate.files import write_atomically
from train.compare.forest import mark, ranking_forest
from train.compare.page import asset, side_facts, templates
from train.compare.rank import Ranking
from train.compare.rank_text import bones_of, ranking_csv, ranking_markdown, sums_of
from train.compare.report import write_report
from train.compare.result import VERDICTS, Comparison, Line
from train.compare.text import MARKS, counts, interval, p_value, plain, signed, slight, star, verdict_words


def write_ranking(ranking: Ranking, out: Path) -> Path:
    """Write ``report.html``, ``.json``, ``.csv`` and ``.md`` of the ranking, and each pair's own report in a folder.

    Same ranking, same bytes.

    Returns:
        the ranking's page, which leads to those of the pairs.

    Raises:
        CarpusError: the folder cannot be written.
    """
    out = Path(out)
    folders = _folders(ranking)
    for c in ranking.comparisons:
        write_report(c, out / folders[c.b.name])
    text = orjson.dumps(ranking.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_atomically(out / "report.json", text)
    write_atomically(out / "report.csv", ranking_csv(ranking).encode())
    write_atomically(out / "report.md", ranking_markdown(ranking).encode())
    links = {name: f"{folder}/report.html" for name, folder in folders.items()}
    write_atomically(out / "report.html", ranking_page(ranking, links).encode())
    return out / "report.html"


def _folders(ranking: Ranking) -> dict[str, str]:
    """A folder for each arm's pair, safe on any file system and in an address."""
    names = [c.b.name for c in ranking.comparisons]
    safe = {name: re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "arm" for name in names}
    taken = Counter(folder.lower() for folder in safe.values())
    return {
        name: folder if taken[folder.lower()] == 1 else f"{k}-{folder}"
        for k, (name, folder) in enumerate(safe.items(), 2)
    }


def ranking_page(ranking: Ranking, links: dict[str, str]) -> str:
    """The page as text: nothing is loaded from outside, all text is escaped.

    Args:
        links: name of an arm -> address of its own report.

    Raises:
        UsageError: jinja2 is not installed.
    """
    environment, markup = templates()
    sides = (ranking.first.a, *(c.b for c in ranking.comparisons))
    return environment.from_string(asset("ranking.html")).render(
        ranking=ranking,
        first=ranking.first,
        css=markup(asset("report.css")),
        js=markup(asset("report.js")),
        forest=markup(ranking_forest(ranking)),
        better=[c.b.name for c in ranking.comparisons if c.overall.verdict == "better"],
        worse=[c.b.name for c in ranking.comparisons if c.overall.verdict == "worse"],
        links=links,
        verdicts=VERDICTS,
        marks={v: markup(mark(v, 8, 8)) for v in VERDICTS},
        bones=bones_of(ranking),
        sums=sums_of(ranking),
        sides=sides,
        facts=side_facts(sides),
        counts=counts,
        interval=interval,
        p_value=p_value,
        plain=plain,
        signed=signed,
        shown=_shown,
        short_shown=_short,
        star=next(filter(None, map(star, ranking.comparisons)), ""),
        value=_value,
    )


def _shown(c: Comparison, line: Line) -> str:
    return verdict_words(c, line)


def _short(c: Comparison, line: Line) -> str:
    if not c.seed_variance_known:
        return signed(line.delta)
    return f"{MARKS[line.verdict]} {signed(line.delta)}{'*' * slight(c, line)}"


def _value(number: float) -> Any:
    """What a cell is sorted by; empty for NaN."""
    return "" if number != number else number
