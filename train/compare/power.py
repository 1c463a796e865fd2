"""How many patients and seeds an experiment needs, from the variances of one that was done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import special

from curate.errors import UsageError
from train.compare.estimate import Difference
from train.compare.result import Comparison, Line
from train.compare.twot import smallest_seen

MOST_SEEDS = 30
_CAUTION = 0.8


@dataclass(frozen=True)
class Variances:
    """What makes a difference vary: standard deviations in Dice.

    Attributes:
        training: of one training's mean from another's. response: of the arm's effect from patient to patient.
        residual: of one training on one patient.
    """

    training: float
    response: float
    residual: float


def variances(d: Difference, seeds_a: int, seeds_b: int, *, cautious: bool = False) -> Variances | None:
    """The variance components behind a difference; ``None`` where the seeds' is not known.

    Args:
        cautious: for the trainings' part take the upper 80% limit of what so few seeds say, not the estimate. An
            experiment planned on a small pilot's estimate is too small half of the time (Browne, Statistics in
            Medicine 14, 1995).
    """
    if d.n < 2 or not d.has_seeds:
        return None
    pairs = 1 / seeds_a + 1 / seeds_b
    seed_var = d.seed_var
    if cautious:
        seed_var *= d.seed_df / (2 * special.gammaincinv(d.seed_df / 2, 1 - _CAUTION))  # its chi-squared's low quantile
    return Variances(
        math.sqrt(max(seed_var - d.residual_var, 0.0) / pairs),
        math.sqrt(max(d.patient_var - d.residual_var, 0.0) * d.n),
        math.sqrt(d.residual_var * d.n / pairs),
    )


def detectable(v: Variances, patients: int, seeds: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true difference that ``patients`` and ``seeds`` an arm show with a power, two-sided at ``alpha``.

    Seeds are taken to run over all patients: (seeds - 1) * 2 degrees of freedom. By the test that gives a verdict: the
    two t, and the paired t over the patients.
    """
    if patients < 2 or seeds < 2:
        return math.inf
    training = math.sqrt(2 / seeds * (v.training**2 + v.residual**2 / patients))
    scales = (training, 2 * (seeds - 1), v.response / math.sqrt(patients), patients - 1)
    alone = math.sqrt((v.response**2 + 2 / seeds * v.residual**2) / patients)  # of a verdict's paired t
    return max(smallest_seen(alpha, power, *scales), smallest_seen(alpha, power, 0.0, 1, alone, patients - 1))


def fewest_seeds(
    v: Variances, difference: float, patients: int, alpha: float, power: float = 0.8, most: int = MOST_SEEDS
) -> int | None:
    """The fewest seeds an arm that show a true difference; ``None`` where ``most`` do not."""
    low, high = 2, most
    if detectable(v, patients, high, alpha, power) > difference:
        return None
    while low < high:
        middle = (low + high) // 2
        if detectable(v, patients, middle, alpha, power) <= difference:
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True)
class Power:
    """What an experiment like one that was done could show.

    Attributes:
        name: class, group or ``overall``. variances: behind its difference; cautious: their upper limits.
        difference: that is asked for. power: chance to show it. alpha: level of the test.
        rows: (patients, seeds, smallest difference detected).
        needed: (patients, fewest seeds an arm that show the difference, the same by the upper limits); ``None``: more
            than ``MOST_SEEDS``.
    """

    name: str
    variances: Variances
    cautious: Variances
    difference: float
    power: float
    alpha: float
    rows: tuple[tuple[int, int, float], ...]
    needed: tuple[tuple[int, int | None, int | None], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        sd, upper = (
            {k: round(getattr(v, k), 6) for k in ("training", "response", "residual")}
            for v in (self.variances, self.cautious)
        )
        rows = [{"patients": n, "seeds": s, "detectable": round(d, 6)} for n, s, d in self.rows]
        needed = [{"patients": n, "seeds": s, "seeds_cautious": c} for n, s, c in self.needed]
        told = {"name": self.name, "alpha": round(self.alpha, 6), "sd": sd, "sd_cautious": upper}
        return {**told, "needed": needed, "rows": rows}


def plan(
    comparison: Comparison,
    name: str = "overall",
    *,
    difference: float = 0.01,
    patients: Sequence[int] = (),
    seeds: Sequence[int] = (2, 3, 5, 8, 12),
    power: float = 0.8,
) -> Power:
    """What other numbers of patients and seeds would show, from a comparison's own variances.

    Args:
        name: a class (tested at the level of Holm's first step over the classes), a group or ``overall`` (one test).
        difference: true difference in Dice that should be shown.
        patients: evaluation patients; by default half, as many and up to eight times those of the comparison.
        seeds: an arm.

    Raises:
        UsageError: no such class, a number that cannot be meant, or one seed or patient, from which no variance can be
            had.
    """
    line = comparison.line(name)
    if line is None:
        raise UsageError("train power", f"no class {name!r} in {comparison.a.path}")
    if not 0 < difference < 1:
        raise UsageError("--difference", f"{difference} is no difference in Dice; give 0 to 1")
    if not 0.5 < power < 1:
        raise UsageError("--power", f"{power} is not between 0.5 and 1")
    few = next((n for n in (*patients, *seeds) if n < 2), None)
    if few is not None:
        raise UsageError("train power", f"{few} is too few: give two patients and two seeds or more")
    counts = (len(comparison.a.seeds), len(comparison.b.seeds))
    found, upper = (variances(line.estimate, *counts, cautious=c) for c in (False, True))
    if found is None or upper is None:
        raise UsageError("train power", "needs two seeds an arm and two patients, or there is no variance to plan from")
    alpha = (1 - comparison.confidence) / _family(comparison, line)
    n = line.n_patients
    asked = tuple(patients) or around(n)
    rows = [(m, s, detectable(found, m, s, alpha, power)) for m in asked for s in seeds]
    least, cautious = (_by_patients(v, difference, asked, alpha, power) for v in (found, upper))
    needed = [(m, least[m], cautious[m]) for m in asked]
    return Power(line.name, found, upper, difference, power, alpha, tuple(rows), tuple(needed))


def _by_patients(
    v: Variances, difference: float, patients: Sequence[int], alpha: float, power: float
) -> dict[int, int | None]:
    """The fewest seeds for each number of patients; more patients never need more seeds."""
    found: dict[int, int | None] = {}
    before: int | None = None
    for n in sorted(set(patients)):
        if before is None:
            before = fewest_seeds(v, difference, n, alpha, power)
        while before is not None and before > 2 and detectable(v, n, before - 1, alpha, power) <= difference:
            before -= 1
        found[n] = before
    return found


def around(n: int) -> tuple[int, ...]:
    """Numbers of patients to look at, from half to eight times those of an experiment."""
    return tuple(sorted({max(2, n // 2), max(2, n), 2 * n, 4 * n, 8 * n}))


def _family(comparison: Comparison, line: Line) -> int:
    """How many lines are tested together with one."""
    if line is comparison.overall:
        return 1
    return max(1, len(comparison.classes) if line in comparison.classes else len(comparison.groups))
