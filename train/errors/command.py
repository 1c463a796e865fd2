"""``train errors``: the page, the flags and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curate import terminal
from curate.errors import UsageError
from curate.files import write_atomically
from curate.flags import model_disagrees
from train.errors.findings import Findings, inspect_runs
from train.errors.flags import flag_findings
from train.errors.page import bone_numbers, draw, page, to_draw
from train.progress import Reporter

MOST_FILMS = 60
"""Films drawn whole at most: a page of about 8 MB."""
_SHOWN = 12


def errors_command(
    paths: Sequence[Path], out: Path | None, films: int, flag: bool, rate: float, data: Path | None, as_json: bool
) -> int:
    """Inspect runs, write the page, store the flags, print the worst.

    Args:
        paths: run folders, or folders of them. out: of the page; ``errors.html`` in the first by default.
        films: to draw whole. flag: store the flags. rate: of false alarms a film.
    """
    if not paths:
        raise UsageError("errors", "needs at least one run")
    if not 0 <= films <= MOST_FILMS:
        raise UsageError("--films", f"{films} is not from 0 to {MOST_FILMS}")
    found = inspect_runs(paths, data, rate)
    place = out or Path(paths[0]) / "errors.html"
    with Reporter().task("drawing", len(to_draw(found, films))) as task:
        drawings = draw(found, films, data, task)
    write_atomically(place, page(found, drawings).encode())
    flagged = 0
    if flag:
        flagged = model_disagrees.store(found.version, flag_findings(found))
    if as_json:
        terminal.print_json(plain(found) | {"page": str(place), "flagged": flagged})
        return 0
    _print(found)
    if flag:
        n, chance = len(found.films), len(found.films) * rate
        terminal.say(f"{flagged} films flagged model-disagrees; about {chance:.1f} of {n} would be by chance")
    terminal.say(f"page: {place}")
    return 0


def plain(found: Findings) -> dict:
    """The findings as plain data: runs, rate, classes, films worst first, films out of line."""
    means = found.film_means()
    order = sorted(range(len(found.films)), key=lambda k: (means[k] != means[k], means[k]))
    return {
        "runs": [str(run) for run in found.runs],
        "version": found.version.name,
        "n_films": len(found.films),
        "false_alarms": found.rate,
        "classes": [bone_numbers(found, k) for k in range(len(found.classes))],
        "films": [
            {
                "image": found.films[k].id,
                "group": found.films[k].group,
                "dice": None if means[k] != means[k] else float(means[k]),
                "worst": [
                    {"class": found.classes[b], "dice": float(found.dice[k, b])} for b in found.worst_bones(k)
                ],
            }
            for k in order
        ],
        "outliers": [
            {
                "image": found.films[o.film].id,
                "classes": [found.classes[k] for k in o.bones],
                "dice": list(o.dice),
                "median": list(o.medians),
                "excess": list(o.excess),
            }
            for o in found.outliers
        ],
    }


def _print(found: Findings) -> None:
    told = plain(found)
    bones = sorted((c for c in told["classes"] if c["n"]), key=lambda c: c["dice"])[:_SHOWN]
    rows = [[c["name"], c["n"], *(f"{c[k]:.4f}" for k in ("dice", "median", "worst")), c["film"]] for c in bones]
    terminal.print_table("worst bones", ["bone", "films", "mean Dice", "median", "worst", "on"], rows)
    films = [
        [f["image"], f"{f['dice']:.4f}", ", ".join(f"{w['class']} {w['dice']:.2f}" for w in f["worst"])]
        for f in told["films"][:_SHOWN]
        if f["dice"] is not None
    ]
    terminal.print_table("worst films", ["film", "mean Dice", "bones"], films)
