"""More than two arms: each against the first, with one family of tests over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import UsageError
from train.compare.comparison import compare_runs, verdict
from train.compare.estimate import holm
from train.compare.result import Comparison, Line
from train.compare.text import MARKS, interval, p_value, percent, plain, signed


@dataclass(frozen=True)
class Ranking:
    """Arms in order of mean Dice.

    Attributes:
        comparisons: each other arm (``b``) against the first one named (``a``), in the order named; p_holm and verdicts
            are adjusted over all of them: over classes and arms for classes, over arms for the overall mean.
    """

    comparisons: tuple[Comparison, ...]

    @property
    def order(self) -> list[tuple[str, float, Comparison | None]]:
        """Name, mean Dice and comparison with the first arm (``None`` for that arm itself), best first."""
        first = self.comparisons[0]
        arms: list[tuple[str, float, Comparison | None]] = [(first.a.name, first.overall.dice_a, None)]
        arms += [(c.b.name, c.overall.dice_b, c) for c in self.comparisons]
        return sorted(arms, key=lambda arm: -arm[1])

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the order, then every comparison as ``train diff`` gives it."""
        order = [
            {"name": name, "dice": round(dice, 6), "verdict": None if c is None else c.overall.verdict}
            for name, dice, c in self.order
        ]
        comparisons = [c.to_dict() for c in self.comparisons]
        return {"first": self.comparisons[0].a.name, "order": order, "comparisons": comparisons}


def rank_runs(arms: Sequence[Path], *, margin: float = 0.01, seed: int = 0, confidence: float = 0.95) -> Ranking:
    """Compare every arm with the first one.

    Args:
        arms: two or more; the first is the reference. Otherwise as :func:`train.compare.comparison.compare_runs`.

    Raises:
        CarpusError: as :func:`compare_runs`; an arm named twice.
    """
    if len(arms) < 2:
        raise UsageError("train diff", "needs two arms or more")
    twice = next((a for a in arms if list(arms).count(a) > 1), None)
    if twice is not None and len(arms) > 2:
        raise UsageError(twice, "is named twice")
    found = [compare_runs(arms[0], b, margin=margin, seed=seed, confidence=confidence) for b in arms[1:]]
    return Ranking(tuple(adjusted_together(found)))


def adjusted_together(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with p_holm and verdicts over all of them: one family a kind of line."""
    families = {kind: [list(getattr(c, kind)) for c in comparisons] for kind in ("classes", "groups")}
    families["overall"] = [[c.overall] for c in comparisons]
    made: dict[str, list[list[Line]]] = {}
    for kind, tables in families.items():
        p = holm(np.array([line.estimate.strict_p for table in tables for line in table]))
        rest = iter(p)
        pairs = zip(tables, comparisons, strict=True)
        made[kind] = [[_judged(line, float(next(rest)), c) for line in table] for table, c in pairs]
    return [
        replace(c, classes=tuple(made["classes"][i]), groups=tuple(made["groups"][i]), overall=made["overall"][i][0])
        for i, c in enumerate(comparisons)
    ]


def _judged(line: Line, p: float, c: Comparison) -> Line:
    known = c.seed_variance_known
    told = verdict(line.delta, p, *line.ci, 1 - c.confidence, c.margin, known)
    return replace(line, p_holm=p, verdict=told)


def print_ranking(ranking: Ranking, console: Any) -> None:
    """The ranking as a terminal table, at most 100 columns: arms by mean Dice, then the bones that changed."""
    from rich.markup import escape
    from rich.table import Table

    first = ranking.comparisons[0]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in ("", "Dice", f"against {escape(first.a.name)}", f"{percent(first)} interval", "p Holm", "verdict"):
        side = "left" if name in ("", "verdict") else "right"
        table.add_column(name, justify=side, overflow="ellipsis", no_wrap=True)
    for name, dice, c in ranking.order:
        if c is None:
            table.add_row(escape(name), plain(dice), "", "", "", "the reference")
            continue
        o = c.overall
        shown = f"{MARKS[o.verdict]} {o.verdict}" if c.seed_variance_known else "not estimated"
        table.add_row(escape(name), plain(dice), signed(o.delta), interval(o.ci), p_value(o.p_holm), shown)
    console.print(table, width=min(100, console.width))
    for c in ranking.comparisons:
        for kind in ("better", "worse"):
            bones = [f"{line.name} {signed(line.delta)}" for line in c.classes if line.verdict == kind]
            if bones:
                console.print(f"{escape(c.b.name)}: {kind} in {escape(', '.join(bones))}", highlight=False)
    for note in dict.fromkeys(n for c in ranking.comparisons for n in c.notes):
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)
