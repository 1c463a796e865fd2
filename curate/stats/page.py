"""The page of ``curate stats --html``: plots first, then the tables, in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from curate.page import document
from curate.stats.charts import SIDES, areas, effects, histogram, overlap_matrix, rose
from curate.stats.films import EXPOSURE
from curate.stats.sets import FilmSet
from curate.stats.summary import NUMBERS, patients
from curate.stats.tables import Table, difference_table, headline, notes, tables

CSS = """
.chart{display:block;width:100%;height:auto;font-size:12px}
.chart text{fill:var(--ink);font-variant-numeric:tabular-nums}
.chart .name,.chart .figure{text-anchor:end}.chart .tick{text-anchor:middle;fill:var(--soft)}
.chart .title{font-weight:600}.chart .small{font-weight:700;fill:var(--b)}
.grid{stroke:var(--line);fill:none}.grid.zero{stroke:var(--soft)}
g.a{--hue:var(--a)}g.b{--hue:var(--b)}
.whisker{stroke:var(--hue);stroke-width:1.5}.half{fill:var(--hue);fill-opacity:.45}
.median{stroke:var(--ink);stroke-width:2}
.cell{fill:var(--a)}.cellnote{font-size:9px;text-anchor:middle}.cellnote.on{fill:var(--ground)}
.matrix{max-width:700px}.rose{max-width:320px;grid-row:span 2}
.sector.a{fill:var(--a);fill-opacity:.45;stroke:var(--a)}.sector.b{fill:none;stroke:var(--b);stroke-width:2}
.bar.a{fill:var(--a);fill-opacity:.5}.step.b{fill:none;stroke:var(--b);stroke-width:2}
.row .ci{stroke:var(--soft);stroke-width:3;stroke-opacity:.6}.row .dot{fill:var(--soft)}
.row.far .ci{stroke:var(--a)}.row.far .dot{fill:var(--a)}.row.far .name{font-weight:600}
.chance{stroke:var(--b);stroke-width:2}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:.8rem 1.4rem;align-items:start}
.tables{display:flex;flex-wrap:wrap;gap:0 2.5rem;align-items:flex-start}.tables section{min-width:0;max-width:100%}
.key{display:inline-block;width:1.6em;height:.7em;vertical-align:middle;margin-right:.35em}
.key.a{background:var(--a);opacity:.6}.key.b{border:2px solid var(--b)}
td:first-child,th:first-child{text-align:left}.words td{text-align:left;white-space:normal}
"""


def page(told: dict[str, Any], sets: Sequence[FilmSet]) -> str:
    """The page as text.

    Args:
        told: of ``summarise`` for one set, of ``compare`` for two. sets: the films themselves, for the plots.
    """
    if len(sets) == 1:
        title, summaries = f"{told['set']}: what it holds", [told]
        lead = f'<p class="lead">{escape(headline(told))}.</p>'
        differ = ""
    else:
        summaries = [told["a"], told["b"]]
        title = f"{told['a']['set']} against {told['b']['set']}"
        lead = "".join(
            f'<p class="lead"><span class="key {side}"></span>{escape(headline(s))}.</p>'
            for side, s in zip(SIDES, summaries, strict=True)
        )
        differ = _differences(told)
    body = [f"<h1>{escape(title)}</h1>", lead, differ, _hands(sets), _people(sets)]
    body.append(_bones(summaries))
    for side, s in zip(SIDES, summaries, strict=False):
        name = "" if len(sets) == 1 else f" <small>{escape(s['set'])}</small>"
        body.append(f'<h2>In numbers{name}</h2><div class="tables">{"".join(map(_table, tables(s)))}</div>')
        faults = "".join(f"<li>{escape(fault)}" for fault in s["faults"])
        body.append(f'<h3 id="faults-{side}">Could not be read</h3><ul>{faults}</ul>' if faults else "")
    return document(title, "".join(body), CSS)


def _section(title: str, about: str, *plots: str) -> str:
    shown = [plot for plot in plots if plot]
    if not shown:
        return ""
    return f'<section><h2>{escape(title)}</h2><p class="facts">{about}</p>{"".join(shown)}</section>'


def _differences(told: dict[str, Any]) -> str:
    said = "".join(f"<li>{escape(note)}" for note in notes(told))
    about = (
        "A dot with its 95% interval (bootstrap over patients); the upright tick is what chance gives: 95% of random "
        "deals of the patients stay below it. At the right: median or mean direction of a, of b, and the difference. "
        "Bold: beyond chance; where the sets share films, an interval of the difference without 0."
    )
    said = f'<ul class="notes">{said}</ul>' if said else ""
    chart = _section("How they differ", about, said, effects(told["differences"]))
    shares = [d for d in told["differences"] if d["kind"] == "share"]
    _, columns, rows = difference_table(told | {"differences": shares})
    table = ("Shares (* interval without 0)", columns[:7], [row[:7] for row in rows])
    return chart + (_table(table) if shares else "")


def _hands(sets: Sequence[FilmSet]) -> str:
    degrees = [[f.fingers_deg for f in s.films if f.fingers_deg is not None] for s in sets]
    plots = [rose(list(zip(SIDES, degrees, strict=False)))]
    for key, words in EXPOSURE.items():
        values = [[f.exposure[key] for f in s.films if f.exposure] for s in sets]
        plots.append(histogram(words, list(zip(SIDES, values, strict=False))))
    about = "Fingers: a sector's area is its share of the films. Exposure: shares of films over the measure's range."
    return _section("Orientation and exposure", about, f'<div class="plots">{"".join(plots)}</div>')


def _people(sets: Sequence[FilmSet]) -> str:
    plots = []
    for key, unit in zip(NUMBERS, ("years", "cm", "kg"), strict=True):
        values = [
            [f.meta[key] for f in patients(s).values() if isinstance(f.meta.get(key), int | float)] for s in sets
        ]
        plots.append(histogram(f"{key}, {unit}", list(zip(SIDES, values, strict=False))))
    if not any(plots):
        return ""
    return _section("Patients", "Shares of patients, where known.", f'<div class="plots">{"".join(plots)}</div>')


def _bones(summaries: Sequence[dict[str, Any]]) -> str:
    about = (
        "Line: 5% to 95% of the films; bar: the middle half; tick: the median. Bones in colour are the three smallest. "
        "Areas by polygons; of a bone in several pieces all together."
    )
    sizes = _section("Area of each bone", about, areas([s for s in summaries if s["labelled"]] or summaries))
    overlap = "Mean percentage of the smaller bone's area that lies under both, over the films that hold both."
    names = [""] if len(summaries) == 1 else [f": {s['set']}" for s in summaries]
    made = [_section(f"Overlaps{n}", overlap, overlap_matrix(s)) for n, s in zip(names, summaries, strict=True)]
    return sizes + "".join(made)


def _table(table: Table) -> str:
    title, columns, rows = table
    head = "".join(f"<th>{escape(c)}" for c in columns) if any(columns) else ""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}' for cell in row)}" for row in rows)
    kind = "" if any(columns) else ' class="words"'
    return (
        f'<section><h3>{escape(title)}</h3><div class="wide"><table{kind}>'
        f"{f'<thead><tr>{head}</thead>' if head else ''}<tbody>{lines}</tbody></table></div></section>"
    )
