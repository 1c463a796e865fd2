"""What ``train diff`` and ``train power`` do. Nothing here needs torch, so that they start at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate import terminal
from curate.errors import UsageError
from train.compare.check import check_claims
from train.compare.comparison import compare_runs
from train.compare.names import tell_apart
from train.compare.power import Power, around, plan
from train.compare.power_text import print_needs, print_power
from train.compare.rank import rank_runs
from train.compare.rank_page import write_ranking
from train.compare.rank_text import print_ranking
from train.compare.report import write_report
from train.compare.result import Comparison
from train.compare.text import print_table


def diff_command(
    arms: Sequence[Path],
    out: Path | None = None,
    *,
    margin: float = 0.01,
    reader: Path | None = None,
    claims: Sequence[str] = (),
    as_json: bool = False,
) -> int:
    """Compare two arms, or each of several with the first; write the report and print its table.

    Args:
        arms: run folders or folders of them; the first is the reference.
        out: folder of the report; beside the last arm by default.
        margin: of equivalence, in Dice. reader: a second reading of the films.
        claims: such as ``Pisiform>=+0.01``; the exit code is 1 when one of them is not shown.

    Returns:
        the exit code.
    """
    if len(arms) < 2:
        raise UsageError("train diff", "needs two arms or more: A B")
    places = [Path(arm).resolve() for arm in arms]
    twice = next((arm for arm, place in zip(arms, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        raise UsageError(twice, "is named twice: an arm does not differ from itself")
    place = default_place(arms) if out is None else out
    if len(arms) > 2:
        if claims:
            raise UsageError("--check", f"is about one difference; there are {len(arms) - 1}: check two arms at a time")
        return _ranked(arms, place, margin, reader, as_json)
    comparison = compare_runs(*arms, margin=margin, reader=reader)
    checked = check_claims(comparison, claims)
    page = write_report(comparison, place)
    failed = any(not one.shown for one in checked)
    if as_json:
        terminal.print_json(comparison.to_dict())
        return int(failed)
    print_table(comparison, console())
    for one in checked:
        terminal.say(f"{one.claim}: {'shown' if one.shown else 'not shown'} ({one.why})")
    terminal.say(f"report: {page}")
    return int(failed)


def _ranked(arms: Sequence[Path], place: Path, margin: float, reader: Path | None, as_json: bool) -> int:
    ranking = rank_runs(arms, margin=margin, reader=reader)
    page = write_ranking(ranking, place)
    if as_json:
        terminal.print_json(ranking.to_dict())
        return 0
    print_ranking(ranking, console())
    terminal.say(f"report: {page}")
    return 0


def default_place(arms: Sequence[Path]) -> Path:
    """Where a report goes when nobody says: beside the last arm, named after the arms."""
    places = [Path(arm).resolve() for arm in arms]
    first, *others = (name.replace("/", "-") for name in tell_apart(places))
    named = "-".join(others) if len(others) < 4 else f"{len(others)}-arms"
    return places[-1].parent / f"{named}-against-{first}"


def power_command(
    arms: Sequence[Path],
    *,
    bones: Sequence[str] = (),
    difference: float = 0.01,
    patients: Sequence[int] = (),
    seeds: Sequence[int] = (2, 3, 5, 8, 12),
    power: float = 0.8,
    as_json: bool = False,
) -> int:
    """How many patients and seeds show a difference, from runs that were done.

    Args:
        arms: one arm or two; of one alone nothing is known of how patients respond to a change of data.
        bones: classes, groups or ``overall`` to look at closely; by default all of them at a glance.
        difference, patients, seeds, power: as in :func:`train.compare.power.plan`.

    Returns:
        the exit code.
    """
    if not 1 <= len(arms) <= 2:
        raise UsageError("train power", "needs one arm or two: A [B]")
    comparison = compare_runs(arms[0], arms[-1])
    notes = list(comparison.notes)
    if len(arms) == 1:
        notes = [note for note in notes if "seed" in note]  # not that it is like itself
        comparison = of_one_arm(comparison)
        notes.append(
            "from one arm: how patients respond to a change of data is not known and taken as alike, so that more may "
            "be needed"
        )
    names = bones or ["overall", *(line.name for line in (*comparison.groups, *comparison.classes) if line.n_patients)]
    asked = tuple(patients) or around(comparison.overall.n_patients)
    found = [plan(comparison, n, difference=difference, patients=asked, seeds=seeds, power=power) for n in names]
    if as_json:
        terminal.print_json(power_dict(comparison, found, notes, len(arms)))
        return 0
    out = console()
    if bones:
        for one in found:
            print_power(one, out)
    else:
        print_needs(found, out)
    for note in notes:
        out.print(f"[yellow]note:[/] {note}", highlight=False, markup=True)
    return 0


def of_one_arm(comparison: Comparison) -> Comparison:
    """A comparison of an arm with itself, with the degrees of freedom that its seeds have once, not twice."""

    def once(lines: Sequence[Any]) -> tuple:
        return tuple(replace(x, estimate=replace(x.estimate, seed_df=x.estimate.seed_df / 2)) for x in lines)

    overall = once([comparison.overall])[0]
    return replace(comparison, classes=once(comparison.classes), groups=once(comparison.groups), overall=overall)


def power_dict(comparison: Comparison, found: Sequence[Power], notes: Sequence[str], arms: int) -> dict[str, Any]:
    """The object of ``train power --json``."""
    first = found[0]
    sides = [comparison.a, comparison.b][:arms]
    return {
        "arms": [side.to_dict() for side in sides],
        "n_groups": comparison.n_groups,
        "n_seeds": comparison.n_seeds,
        "difference": first.difference,
        "power": first.power,
        "lines": [one.to_dict() for one in found],
        "notes": list(notes),
    }


def console() -> Any:
    """Where tables are printed: the terminal's width, or 100 columns in a log."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 100)
