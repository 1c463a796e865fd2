"""The figures of a set, and of a comparison, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from curate.stats.summary import NUMBERS

MOST_PAIRS = 15
SMALLEST = 3
"""So many bones, the smallest by median area, are marked: those that a model sees least of."""

Table = tuple[str, Sequence[str], list[Sequence[Any]]]


def headline(s: dict[str, Any]) -> str:
    """A set in one line."""
    people = "patients unknown" if s["patients"] is None else f"{s['patients']} patients"
    derived = f", {s['derived']} of them derived" if s["derived"] else ""
    faults = f"; {len(s['faults'])} could not be read" if s["faults"] else ""
    return f"{s['set']}: {s['n']} films of {people}{derived}, {s['labelled']} labelled{faults}"


def number(value: float | None, places: int = 1) -> str:
    """A figure, or nothing where there is none."""
    return "" if value is None else f"{value:.{places}f}"


def smallest(s: dict[str, Any]) -> list[str]:
    """The smallest classes by median area."""
    there = [c for c in s["classes"] if c["n"]]
    return [c["name"] for c in sorted(there, key=lambda c: c["area"]["median"])[:SMALLEST]]


def tables(s: dict[str, Any]) -> list[Table]:
    """Titles, columns and rows of one set's tables; those of which nothing is known are left out."""
    made: list[Table] = []
    if s["labelled"]:
        small = smallest(s)
        rows = [
            (
                f"{c['name']} *" if c["name"] in small else c["name"],
                c["n"],
                c["missing"],
                *(number(c["area"][k], 0) for k in ("p5", "median", "p95")),
                number(c["share"]["median"], 2),
            )
            for c in sorted(s["classes"], key=lambda c: c["area"]["median"] or 0)
        ]
        columns = ("bone", "films", "missing", "area px², 5%", "median", "95%", "‰ of the frame")
        made.append((f"Areas, smallest first (* the {SMALLEST} smallest)", columns, rows))
        pairs = [
            (o["a"], o["b"], o["films"], o["both"], number(100 * o["share"]), number(100 * o["most"]))
            for o in s["overlaps"][:MOST_PAIRS]
        ]
        if pairs:
            columns = ("bone", "overlaps", "on films", "of", "% of the smaller, mean", "most")
            rest = len(s["overlaps"]) - len(pairs)
            made.append((f"Overlaps{f' (and {rest} pairs less)' if rest else ''}", columns, pairs))
        counts = [(k, v) for k, v in s["missing"]["by_count"].items()]
        made.append(("Missing bones", ("bones missing", "films"), counts))
    people = [(k, m["n"], m["unknown"], *(number(m[q]) for q in ("p5", "median", "p95")))
              for k, m in ((k, s["meta"][k]) for k in NUMBERS) if m["n"]]  # fmt: skip
    if people:
        made.append(("Patients", ("", "known", "unknown", "5%", "median", "95%"), people))
    counted = [("sex", s["meta"]["sex"]), ("side", s["sides"]), ("hands", {k: v for k, v in s["pairs"].items() if v})]
    rows = [(name, ", ".join(f"{k} {v}" for k, v in kinds.items())) for name, kinds in counted if kinds]
    rows.append(("fingers", orientation_line(s["orientation"])))
    made.append(("Hands", ("", ""), rows))
    exposed = [(k, *(number(e[q], 2 if k in ("white", "noise") else 0) for q in ("p5", "median", "p95")))
               for k, e in s["exposure"].items() if e["n"]]  # fmt: skip
    if exposed:
        made.append(("Exposure, grey values of the body", ("", "5%", "median", "95%"), exposed))
    return made


def orientation_line(o: dict[str, Any]) -> str:
    """Where the fingers point, in words."""
    if not o["n"]:
        return "unknown"
    told = ", ".join(f"{k} {o[k]}" for k in ("up", "right", "down", "left") if o[k])
    unknown = f"; {o['unknown']} unknown" if o["unknown"] else ""
    return (
        f"{told}; mean {o['mean_deg']:.0f}° (length {o['length']:.2f}), {100 * o['within_25']:.0f}% within 25° of up; "
        f"{o['by_labels']} by labels, {o['by_picture']} by the picture{unknown}"
    )


def interval(ci: Sequence[float] | None, form: Callable[[float], str]) -> str:
    return "" if ci is None else f"{form(ci[0])} to {form(ci[1])}"


def figures(line: dict[str, Any]) -> tuple[str, ...]:
    """a, b, shift with interval, distance with interval and chance, of one line of ``differences``."""
    if line["kind"] == "share":

        def form(v: float) -> str:
            return f"{100 * v:.1f}%"
    elif line["kind"] == "direction":

        def form(v: float) -> str:
            return f"{v:.0f}°"
    else:

        def form(v: float) -> str:
            return f"{v:.4g}"

    distance = "" if line["distance"] is None else f"{line['distance']:.2f}"
    chance = "" if line["chance"] is None else f"{line['chance']:.2f}"
    return (
        form(line["a"]), form(line["b"]), form(line["shift"]), interval(line["shift_ci"], form),
        distance, interval(line["distance_ci"], lambda v: f"{v:.2f}"), chance,
    )  # fmt: skip


def beyond(line: dict[str, Any]) -> bool:
    """Whether a difference is larger than chance gives: its distance, or for a share an interval without 0."""
    if line["distance"] is not None and line["chance"] is not None:
        return line["distance"] > line["chance"]
    low, high = line["shift_ci"]
    return low > 0 or high < 0


def difference_table(c: dict[str, Any]) -> Table:
    """The differences of two sets as a table; those beyond chance are marked."""
    rows = [
        (f"{'* ' if beyond(d) else '  '}{d['what']}", d["patients_a"], d["patients_b"], *figures(d))
        for d in c["differences"]
    ]
    columns = ("", "groups a", "b", "a", "b", "b - a", "95% interval", "D or V", "95% interval", "chance")
    title = f"a: {c['a']['set']}; b: {c['b']['set']} (* beyond chance; medians, mean directions, shares)"
    return title, columns, rows


def notes(c: dict[str, Any]) -> list[str]:
    """What a reader of a comparison should bear in mind."""
    told = []
    n = len(c["differences"])
    marked = sum(beyond(d) for d in c["differences"])
    if n:
        what = "differ by an interval without 0" if c["shared"] else "are beyond chance"
        told.append(f"{marked} of {n} measures {what}; if nothing differed, about one in twenty would")
    for side in ("a", "b"):
        s = c[side]
        if s["patients"] is None:
            told.append(f"{s['set']}: patients unknown, each film counts as one; with several films a patient the "
                        "intervals are too narrow")  # fmt: skip
        if s["derived"]:
            told.append(f"{s['set']}: {s['derived']} derived films count beside their parents, so that intervals are "
                        "too narrow")  # fmt: skip
        if not s["labelled"]:
            told.append(f"{s['set']}: no labels, so no areas; fingers as the rotation detector sees them")
    if c["shared"]:
        told.append(f"{c['shared']} films are in both sets: chance cannot be told by dealing patients")
    return told
