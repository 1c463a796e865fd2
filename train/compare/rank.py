"""More than two arms: each against the first, with one family of tests over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import UsageError
from train.compare.arm import read_arm
from train.compare.comparison import check_options, compare_arms, verdict
from train.compare.estimate import holm
from train.compare.names import arm_names
from train.compare.result import Comparison, Line, rounded


@dataclass(frozen=True)
class Ranking:
    """Arms in order of mean Dice.

    Attributes:
        comparisons: each other arm (``b``) against the first one named (``a``), in the order named; p_holm, verdicts
            and the smallest difference seen are those of one family over all of them: over classes and arms for
            classes, over groups and arms for groups, over arms for the overall mean.
    """

    comparisons: tuple[Comparison, ...]

    @property
    def first(self) -> Comparison:
        """The first comparison: what it says of ``a`` holds for all."""
        return self.comparisons[0]

    @property
    def order(self) -> list[tuple[str, float, Comparison | None]]:
        """Name, mean Dice and comparison with the first arm (``None`` for that arm itself), best first."""
        arms: list[tuple[str, float, Comparison | None]] = [(self.first.a.name, self.first.overall.dice_a, None)]
        arms += [(c.b.name, c.overall.dice_b, c) for c in self.comparisons]
        return sorted(arms, key=lambda arm: -arm[1])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of any of the comparisons should know, each once."""
        return tuple(dict.fromkeys(note for c in self.comparisons for note in c.notes))

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the order, then every comparison as ``train diff`` gives it."""
        order = [
            {
                "name": name,
                "dice": rounded(dice),
                "delta": None if c is None else rounded(c.overall.delta),
                "ci": None if c is None else c.overall.to_dict()["ci"],
                "p_holm": None if c is None else c.overall.to_dict()["p_holm"],
                "verdict": None if c is None else c.overall.verdict,
            }
            for name, dice, c in self.order
        ]
        shared = {key: getattr(self.first, key) for key in ("n_images", "n_groups", "margin", "confidence")}
        comparisons = [c.to_dict() for c in self.comparisons]
        return {"first": self.first.a.name, **shared, "order": order, "comparisons": comparisons}


def rank_runs(
    arms: Sequence[Path],
    *,
    margin: float = 0.01,
    confidence: float = 0.95,
    groups: Mapping[str, Sequence[str]] | None = None,
    reader: Path | None = None,
) -> Ranking:
    """Compare every arm with the first one.

    Args:
        arms: two or more; the first is the reference. Otherwise as :func:`train.compare.comparison.compare_runs`.

    Raises:
        CarpusError: as :func:`compare_runs`; an arm named twice.
    """
    check_options(margin, confidence)
    if len(arms) < 2:
        raise UsageError("train diff", "needs two arms or more")
    places = [Path(arm).resolve() for arm in arms]
    twice = next((arm for arm, place in zip(arms, places, strict=True) if places.count(place) > 1), None)
    if twice is not None and len(arms) > 2:
        raise UsageError(twice, "is named twice")
    first, *others = (read_arm(Path(arm)) for arm in arms)
    found = [
        compare_arms(first, b, margin=margin, confidence=confidence, groups=groups, reader=reader) for b in others
    ]
    return Ranking(tuple(adjusted_together(_named_apart(found, places))))


def _named_apart(found: list[Comparison], places: list[Path]) -> list[Comparison]:
    """No two arms of a ranking share a name."""
    names = arm_names([side.facts.get("version") for side in (found[0].a, *(c.b for c in found))], places)
    return [
        replace(c, a=replace(c.a, name=names[0]), b=replace(c.b, name=name))
        for c, name in zip(found, names[1:], strict=True)
    ]


def adjusted_together(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with p_holm, verdicts and what could be seen over all of them: one family a kind of line."""
    families = {kind: [list(getattr(c, kind)) for c in comparisons] for kind in ("classes", "groups")}
    families["overall"] = [[c.overall] for c in comparisons]
    made: dict[str, list[list[Line]]] = {}
    for kind, tables in families.items():
        p = np.array([line.estimate.strict_p for table in tables for line in table])
        tested = max(1, int((~np.isnan(p)).sum()))
        rest = iter(holm(p))
        pairs = zip(tables, comparisons, strict=True)
        made[kind] = [[_judged(line, float(next(rest)), c, tested) for line in table] for table, c in pairs]
    return [
        replace(
            c, classes=tuple(made["classes"][i]), groups=tuple(made["groups"][i]), overall=made["overall"][i][0],
            together=len(comparisons),
        )
        for i, c in enumerate(comparisons)
    ]  # fmt: skip


def _judged(line: Line, p: float, c: Comparison, tested: int) -> Line:
    alpha = 1 - c.confidence
    told = verdict(line.delta, p, *line.ci, alpha, c.margin, c.seed_variance_known and line.estimate.varies)
    return replace(line, p_holm=p, verdict=told, detectable=line.estimate.detectable(alpha / tested))
