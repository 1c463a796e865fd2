"""The comparison as text: a table for the terminal, Markdown for a pull request, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from train.compare.result import VERDICTS, Comparison, Line
from train.scores import NSD_TOLERANCE, NSD_TOLERANCE_MM

#: A verdict is told by its shape too, not by colour alone.
MARKS = {"better": "▲", "worse": "▼", "equivalent": "■", "inconclusive": "○"}
PLAIN_MARKS = {"better": "+", "worse": "-", "equivalent": "=", "inconclusive": "?"}
_TOLERANCES = (("nsd_tolerance", NSD_TOLERANCE), ("nsd_tolerance_mm", NSD_TOLERANCE_MM))
COLUMNS_EXPLAINED = (
    "n: films with the bone. p: two-sided; p (Holm): adjusted, and by which the verdict is given. effect: mean over "
    "standard deviation of the patients' differences. w/t/l: patients that gained, stayed within 0.001, lost. seen: "
    "smallest true difference that this experiment would have shown with 80% power."
)
STYLES = {"better": "bold green", "worse": "bold red", "equivalent": "cyan", "inconclusive": "dim"}


def by_difference(lines: tuple[Line, ...]) -> list[Line]:
    """From the largest gain to the largest loss; bones that are nowhere present last."""
    return sorted(lines, key=lambda line: (math.isnan(line.delta), -line.delta if line.n_patients else 0, line.name))


def signed(value: float, places: int = 4) -> str:
    """A difference with its sign, none where it rounds to nothing; empty for NaN."""
    if math.isnan(value):
        return ""
    return f"{value:+.{places}f}" if round(value, places) else f"{0:.{places}f}"


def plain(value: float, places: int = 4) -> str:
    """A number; empty for NaN."""
    return "" if math.isnan(value) else f"{value:.{places}f}"


def seen(value: float) -> str:
    """The smallest difference that could be seen; no difference in Dice is larger than 1."""
    return ">1" if value > 1 else plain(value)


def interval(ci: tuple[float, float]) -> str:
    """``[low, high]`` with signs; empty for NaN."""
    return "" if math.isnan(ci[0]) else f"[{signed(ci[0])}, {signed(ci[1])}]"


def p_value(p: float) -> str:
    """A p-value to four places; empty for NaN."""
    if math.isnan(p):
        return ""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def counts(comparison: Comparison) -> dict[str, int]:
    """How many bones got each verdict."""
    found = Counter(line.verdict for line in comparison.classes)
    return {v: found.get(v, 0) for v in VERDICTS}


def slight(comparison: Comparison, line: Line) -> bool:
    """A difference that is shown, and whose whole interval lies within the margin all the same."""
    inside = -comparison.margin <= line.ci[0] and line.ci[1] <= comparison.margin
    return comparison.seed_variance_known and line.verdict in ("better", "worse") and inside


def verdict_words(comparison: Comparison, line: Line, marks: dict[str, str] = MARKS) -> str:
    """A verdict with its mark, and a star where the difference is slight."""
    if not comparison.seed_variance_known:
        return "not estimated"
    return f"{marks[line.verdict]} {line.verdict}{'*' * slight(comparison, line)}"


def named(comparison: Comparison, verdict: str, most: int = 8) -> str:
    """The bones of a verdict, the largest difference first; a star where it is slight."""
    lines = [line for line in by_difference(comparison.classes) if line.verdict == verdict]
    lines = lines[::-1] if verdict == "worse" else lines
    told = [f"{line.name}{'*' * slight(comparison, line)}" for line in lines]
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")


def star(comparison: Comparison) -> str:
    """What the star means; empty where there is none."""
    lines = (*comparison.classes, *comparison.groups, comparison.overall)
    some = any(slight(comparison, line) for line in lines)
    return f"* shown, yet its whole interval lies within the margin of ±{comparison.margin:g}" if some else ""


def headline(comparison: Comparison) -> str:
    """The result in a sentence or two."""
    c, o = comparison, comparison.overall
    spread = "" if math.isnan(o.ci[0]) else f", {percent(c)} interval {interval(o.ci)}"
    moved = f"Mean Dice {plain(o.dice_a)} → {plain(o.dice_b)} ({signed(o.delta)}{spread})"
    if not c.seed_variance_known:
        return f"{moved}. Seed variance not estimated: no verdict."
    n = counts(c)
    told = f"{n['better']} better, {n['worse']} worse, {n['equivalent']} equivalent within ±{c.margin:g}"
    less = " by less than the margin" if slight(c, o) else ""
    return f"{moved}: {o.verdict}{less}. Of {len(c.classes)} classes {told}, {n['inconclusive']} inconclusive."


def percent(comparison: Comparison) -> str:
    """The confidence as it is written."""
    return f"{100 * comparison.confidence:g}%"


def sizes(comparison: Comparison) -> str:
    """Films, patients, seeds, folds."""
    c = comparison
    pair = (len(c.a.seeds), len(c.b.seeds))
    seeds = f"{pair[0]} seed{'s' * (pair[0] != 1)}" if pair[0] == pair[1] else f"{pair[0]} and {pair[1]} seeds"
    folds = len(c.a.folds)
    return (
        f"{c.n_images} film{'s' * (c.n_images != 1)} of {c.n_groups} patient{'s' * (c.n_groups != 1)}, {seeds} an arm, "
        f"{folds} fold{'s' * (folds != 1)}"
    )


def surface_words(comparison: Comparison) -> str:
    """How the boundary measures were taken; empty where there are none."""
    c = comparison
    if all(math.isnan(line.nsd_a) for line in c.classes):
        return ""
    told = [c.a.facts.get(key, usual) for key, usual in _TOLERANCES]
    pixels, millimetres = (f"{t:g}" if isinstance(t, int | float) else str(t) for t in told)
    text = (
        f"NSD at a tolerance of {pixels} px; HD95 in px, median over the films where both arms found the bone in every "
        "run."
    )
    sized = max(line.n_mm for line in c.classes)
    if sized:
        text += (
            f" In mm, on up to {sized} of {c.n_images} films whose pixels have a known size: NSD at a tolerance of "
            f"{millimetres} mm."
        )
    return text


def print_table(comparison: Comparison, console: Any) -> None:
    """Print the comparison on a ``rich.console.Console``; at most 100 columns, wider terminals notwithstanding."""
    from rich.markup import escape
    from rich.table import Table

    c = comparison
    marks = MARKS if (console.encoding or "").lower().startswith("utf") else PLAIN_MARKS
    console.print(f"[bold]A[/] {escape(c.a.name)}  {escape(c.a.path)}", soft_wrap=True)
    console.print(f"[bold]B[/] {escape(c.b.name)}  {escape(c.b.path)}", soft_wrap=True)
    console.print(f"{sizes(c)}; differences are B - A\n", highlight=False)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name, right in (
        ("", False), ("n", True), ("Dice A", True), ("Dice B", True), ("diff", True), (f"{percent(c)} interval", True),
        ("p Holm", True), ("w/t/l", True), ("seen", True), ("verdict", False),
    ):  # fmt: skip
        table.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis",
                         max_width=None if right else 20)  # fmt: skip
    sections = [by_difference(c.classes), list(c.groups), [c.overall]]
    for lines in sections:
        for line in lines:
            shown = verdict_words(c, line, marks) if c.seed_variance_known else ""
            cells = [
                escape(line.name), str(line.n_present), plain(line.dice_a), plain(line.dice_b), signed(line.delta),
                interval(line.ci), p_value(line.p_holm), f"{line.wins}/{line.ties}/{line.losses}",
                seen(line.detectable), shown,
            ]  # fmt: skip
            table.add_row(*cells, style=STYLES[line.verdict] if c.seed_variance_known else None)
        if lines and lines is not sections[-1]:
            table.add_row()
    console.print(table, width=min(100, console.width))
    told = headline(c) if marks is MARKS else headline(c).replace("→", "to").replace("±", "+-")
    console.print(f"\n{escape(told)}", highlight=False)
    console.print(
        "[dim]n: films with the bone; w/t/l: patients gained, within 0.001, lost; "
        "seen: smallest difference that this experiment would have shown[/]"
    )
    if star(c):
        console.print(f"[dim]{star(c) if marks is MARKS else star(c).replace('±', '+-')}[/]", highlight=False)
    if c.together > 1:
        console.print(f"[dim]p and verdicts adjusted over {c.together} comparisons with {escape(c.a.name)}[/]")
    for note in c.notes:
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)


def markdown(comparison: Comparison) -> str:
    """The report for a pull request."""
    c = comparison
    out = [f"### Dice per class: {cell(c.a.name)} (A) → {cell(c.b.name)} (B)", ""]
    more = f"; p adjusted over {c.together} comparisons with {cell(c.a.name)}" if c.together > 1 else ""
    out += [headline(c), ""]
    names = [f"{v.capitalize()}: {cell(named(c, v))}." for v in ("better", "worse") if c.seed_variance_known]
    out += [" ".join(n for n in names if not n.endswith(": .")), ""] if counts(c)["better"] + counts(c)["worse"] else []
    out += [f"{sizes(c)}{more}.", ""]
    out += notes_markdown(c.notes)
    head = ["", "verdict", "n", "Dice A", "Dice B", "B - A", f"{percent(c)} interval", "p", "p (Holm)", "effect",
            "w/t/l", "seen", "NSD A", "NSD B", "HD95 A", "HD95 B"]  # fmt: skip
    sized = any(line.n_mm for line in c.classes)
    head += ["NSD mm A", "NSD mm B", "HD95 mm A", "HD95 mm B"] if sized else []
    out += [f"| {' | '.join(head)} |", "|:--|:--" + "|--:" * (len(head) - 2) + "|"]
    for line in [c.overall, *c.groups, *by_difference(c.classes)]:
        name = f"**{cell(line.name)}**" if line is c.overall or line in c.groups else cell(line.name)
        shown = cell(verdict_words(c, line))
        cells = [
            name, shown, str(line.n_present), plain(line.dice_a), plain(line.dice_b), signed(line.delta),
            interval(line.ci), p_value(line.p), p_value(line.p_holm), signed(line.effect, 2),
            f"{line.wins}/{line.ties}/{line.losses}", seen(line.detectable), plain(line.nsd_a),
            plain(line.nsd_b), plain(line.hd95_a, 1), plain(line.hd95_b, 1),
        ]  # fmt: skip
        if sized:
            cells += [
                plain(line.nsd_mm_a), plain(line.nsd_mm_b), plain(line.hd95_mm_a, 2), plain(line.hd95_mm_b, 2)
            ]  # fmt: skip
        out.append(f"| {' | '.join(cells)} |")
    out += ["", cell(star(c))] if star(c) else []
    out += ["", COLUMNS_EXPLAINED]
    measured = surface_words(c)
    out += ["", measured] if measured else []
    if c.differences:
        out += ["", "| differs | A | B |", "|:--|:--|:--|"]
        out += [f"| {cell(what)} | {cell(a)} | {cell(b)} |" for what, a, b in c.differences]
    return "\n".join(out) + "\n"


def notes_markdown(notes: Sequence[str]) -> list[str]:
    """Notes as a quoted list, and a line between them and what follows."""
    return [f"> - {cell(note)}" for note in notes] + ([""] if notes else [])


def table_csv(comparison: Comparison) -> str:
    """One row a class, then the groups and the whole; the fields of the JSON, full names."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(csv_rows(comparison))
    return buffer.getvalue()


def csv_rows(comparison: Comparison) -> list[list[Any]]:
    """The header and the rows of :func:`table_csv`."""
    kinds = [("class", line) for line in comparison.classes]
    kinds += [("group", line) for line in comparison.groups] + [("overall", comparison.overall)]
    rows: list[list[Any]] = []
    for kind, line in kinds:
        flat: dict[str, Any] = {"kind": kind}
        for key, value in line.to_dict().items():
            if key.endswith("ci"):
                low, high = value or (None, None)
                flat |= {f"{key}_low": low, f"{key}_high": high}
            else:
                flat[key] = value
        if not rows:
            rows.append(list(flat))
        rows.append(["" if v is None else v for v in flat.values()])
    return rows


def cell(text: str) -> str:
    """Text that cannot break out of a Markdown cell or become markup."""
    out = " ".join(str(text).split())
    for char in "\\`*_[]<>|#":
        out = out.replace(char, f"&#{ord(char)};" if char in "<>|" else f"\\{char}")
    return out
