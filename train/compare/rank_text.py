"""A ranking as text: tables for the terminal, Markdown for a pull request, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

from train.compare.rank import Ranking
from train.compare.result import Comparison, Line
from train.compare.text import (
    MARKS,
    PLAIN_MARKS,
    STYLES,
    by_difference,
    cell,
    counts,
    csv_rows,
    interval,
    notes_markdown,
    p_value,
    percent,
    plain,
    signed,
    slight,
    star,
    verdict_words,
)

_WIDTH = 100


def bones_of(ranking: Ranking) -> list[tuple[str, list[Line]]]:
    """The lines of each bone, one an arm: from the largest gain of any arm to the largest loss of all."""
    tables = [{line.name: line for line in c.classes} for c in ranking.comparisons]
    best = {n: max(tables, key=lambda t, n=n: _height(t[n]))[n] for n in tables[0]}
    return [(line.name, [t[line.name] for t in tables]) for line in by_difference(tuple(best.values()))]


def _height(line: Line) -> float:
    return line.delta if line.n_patients else -2.0


def sums_of(ranking: Ranking) -> list[tuple[str, list[Line]]]:
    """As :func:`bones_of`, of the groups and the mean over all bones."""
    found = [(g.name, [c.groups[i] for c in ranking.comparisons]) for i, g in enumerate(ranking.first.groups)]
    return [*found, ("overall", [c.overall for c in ranking.comparisons])]


def told(c: Comparison) -> str:
    """How many bones got better and worse, in words; empty where no verdict is given."""
    if not c.seed_variance_known:
        return ""
    n = counts(c)
    return f"{n['better']} better, {n['worse']} worse"


def print_ranking(ranking: Ranking, console: Any) -> None:
    """The ranking in at most 100 columns: arms by mean Dice, then the difference of every bone in every arm."""
    from rich.markup import escape
    from rich.table import Table

    marks = MARKS if (console.encoding or "").lower().startswith("utf") else PLAIN_MARKS
    width, first = min(_WIDTH, console.width), ranking.first
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    against = f"less {first.a.name}"
    for name in ("", "Dice", against, f"{percent(first)} interval", "p Holm", "verdict", "bones"):
        side = "left" if name in ("", "verdict", "bones") else "right"
        table.add_column(escape(name), justify=side, overflow="ellipsis", no_wrap=True)
    for name, dice, c in ranking.order:
        if c is None:
            table.add_row(escape(name), plain(dice), "", "", "", "reference", "", style="bold")
            continue
        o = c.overall
        shown = verdict_words(c, o, marks)
        style = STYLES[o.verdict] if c.seed_variance_known else None
        cells = [plain(dice), signed(o.delta), interval(o.ci), p_value(o.p_holm), shown, told(c)]
        table.add_row(escape(name), *cells, style=style)
    console.print(table, width=width)
    fit = max(1, (width - 14) // 15)  # arms side by side: mark, difference, and what a name needs
    for start in range(0, len(ranking.comparisons), fit):
        _print_bones(ranking, slice(start, start + fit), marks, width, console)
    console.print(
        f"[dim]differences in Dice from {escape(first.a.name)}; {', '.join(f'{marks[v]} {v}' for v in MARKS)}; "
        f"adjusted over all bones of all arms; margin {first.margin:g}[/]", highlight=False,
    )  # fmt: skip
    starred = next(filter(None, map(star, ranking.comparisons)), "")
    if starred:
        console.print(f"[dim]{starred if marks is MARKS else starred.replace('±', '+-')}[/]", highlight=False)
    for note in ranking.notes:
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)


def _print_bones(ranking: Ranking, arms: slice, marks: dict[str, str], width: int, console: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    known = [c.seed_variance_known for c in ranking.comparisons][arms]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=20)
    table.add_column(escape(ranking.first.a.name), justify="right", no_wrap=True, overflow="ellipsis", max_width=12)
    for c in ranking.comparisons[arms]:
        table.add_column(escape(c.b.name), justify="right", no_wrap=True, overflow="ellipsis", max_width=14)
    for rows in (bones_of(ranking), sums_of(ranking)):
        table.add_row()
        for name, lines in rows:
            cells = []
            for line, sure, c in zip(lines[arms], known, ranking.comparisons[arms], strict=True):
                text = f"{marks[line.verdict]} {signed(line.delta)}{'*' * slight(c, line)}"
                cells.append(f"[{STYLES[line.verdict]}]{text}[/]" if sure else signed(line.delta))
            table.add_row(escape(name), plain(lines[0].dice_a), *cells)
    console.print(table, width=width)


def ranking_markdown(ranking: Ranking) -> str:
    """The ranking for a pull request."""
    first = ranking.first
    out = [f"### Dice of {len(ranking.comparisons) + 1} arms, each against {cell(first.a.name)}", ""]
    head = ("", "Dice", "difference", f"{percent(first)} interval", "p", "p (Holm)", "verdict", "bones")
    out += [f"| {' | '.join(head)} |", "|:--|--:|--:|--:|--:|--:|:--|:--|"]
    for name, dice, c in ranking.order:
        if c is None:
            out.append(f"| **{cell(name)}** | {plain(dice)} | | | | | reference | |")
            continue
        o = c.overall
        shown = cell(verdict_words(c, o))
        numbers = (plain(dice), signed(o.delta), interval(o.ci), p_value(o.p), p_value(o.p_holm))
        out.append(f"| {cell(name)} | {' | '.join(numbers)} | {shown} | {told(c)} |")
    out += ["", f"| | {' | '.join(cell(c.b.name) for c in ranking.comparisons)} |"]
    out.append("|:--" + "|--:" * len(ranking.comparisons) + "|")
    for name, lines in [*sums_of(ranking), *bones_of(ranking)]:
        out.append(f"| {cell(name)} | {' | '.join(_marked(ranking, i, x) for i, x in enumerate(lines))} |")
    starred = next(filter(None, map(star, ranking.comparisons)), "")
    out += ["", cell(starred)] if starred else []
    out += ["", *notes_markdown(ranking.notes)]
    return "\n".join(out).rstrip() + "\n"


def _marked(ranking: Ranking, i: int, line: Line) -> str:
    known = ranking.comparisons[i].seed_variance_known
    star_too = "\\*" * slight(ranking.comparisons[i], line)
    return f"{MARKS[line.verdict]} {signed(line.delta)}{star_too}" if known else signed(line.delta)


def ranking_csv(ranking: Ranking) -> str:
    """One row an arm and a class, group or whole: the columns of a pair's table, after the arm's name."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for i, c in enumerate(ranking.comparisons):
        header, *rows = csv_rows(c)
        if i == 0:
            writer.writerow(["arm", "against", *header])
        writer.writerows([c.b.name, c.a.name, *row] for row in rows)
    return buffer.getvalue()
