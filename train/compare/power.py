"""How many patients and seeds an experiment needs, from the variances of one that was done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curate.errors import UsageError
from train.compare.estimate import Difference
from train.compare.result import Comparison
from train.compare.twot import reach


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


def variances(d: Difference, seeds_a: int, seeds_b: int) -> Variances | None:
    """The variance components behind a difference; ``None`` where the seeds' is not known."""
    if d.n < 2 or not d.has_seeds:
        return None
    pairs = 1 / seeds_a + 1 / seeds_b
    return Variances(
        math.sqrt(max(d.seed_var - d.residual_var, 0.0) / pairs),
        math.sqrt(max(d.patient_var - d.residual_var, 0.0) * d.n),
        math.sqrt(d.residual_var * d.n / pairs),
    )


def detectable(v: Variances, patients: int, seeds: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true difference that ``patients`` and ``seeds`` an arm show with a power, two-sided at ``alpha``.

    Seeds are taken to run over all patients: (seeds - 1) * 2 degrees of freedom.
    """
    if patients < 2 or seeds < 2:
        return math.inf
    training = math.sqrt(2 / seeds * (v.training**2 + v.residual**2 / patients))
    scales = (training, 2 * (seeds - 1), v.response / math.sqrt(patients), patients - 1)
    return reach(1 - alpha, *scales) + reach(2 * power - 1, *scales)


def needed(
    v: Variances, difference: float, patients: Sequence[int], seeds: Sequence[int], alpha: float, power: float = 0.8
) -> list[tuple[int, int | None]]:
    """For each number of patients, the fewest seeds an arm that show a difference; ``None`` where none of them does."""
    found = []
    for n in patients:
        enough = next((s for s in sorted(seeds) if detectable(v, n, s, alpha, power) <= difference), None)
        found.append((n, enough))
    return found


@dataclass(frozen=True)
class Power:
    """What an experiment like one that was done could show.

    Attributes:
        name: class, group or ``overall``. variances: behind its difference.
        rows: (patients, seeds, smallest difference detected).
    """

    name: str
    variances: Variances
    rows: tuple[tuple[int, int, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        sd = {k: round(getattr(self.variances, k), 6) for k in ("training", "response", "residual")}
        rows = [{"patients": n, "seeds": s, "detectable": round(d, 6)} for n, s, d in self.rows]
        return {"name": self.name, "sd": sd, "rows": rows}


def plan(
    comparison: Comparison,
    name: str = "overall",
    *,
    patients: Sequence[int] = (),
    seeds: Sequence[int] = (2, 3, 5, 8, 12),
    power: float = 0.8,
) -> Power:
    """Smallest differences that other numbers of patients and seeds would show, from a comparison's own variances.

    Args:
        name: a class (tested at the level of Holm's first step over the classes), a group or ``overall`` (one test).
        patients: evaluation patients; by default half, as many and up to eight times those of the comparison.

    Raises:
        UsageError: no such class, or one seed or patient, from which no variance can be had.
    """
    line = comparison.line(name)
    if line is None:
        raise UsageError("train power", f"no class {name!r} in {comparison.a.path}")
    found = variances(line.estimate, len(comparison.a.seeds), len(comparison.b.seeds))
    if found is None:
        raise UsageError("train power", "needs two seeds an arm and two patients, or there is no variance to plan from")
    family = len(comparison.classes) if line in comparison.classes else max(1, len(comparison.groups))
    alpha = (1 - comparison.confidence) / (1 if line is comparison.overall else family)
    n = line.n_patients
    rows = [
        (m, s, detectable(found, m, s, alpha, power))
        for m in (patients or sorted({max(2, n // 2), n, 2 * n, 4 * n, 8 * n}))
        for s in seeds
    ]
    return Power(line.name, found, tuple(rows))


def print_power(found: Power, console: Any) -> None:
    """A table of patients by seeds: the smallest true difference in Dice shown with 80% power."""
    from rich.markup import escape
    from rich.table import Table

    v = found.variances
    console.print(
        f"{escape(found.name)}: standard deviation of a training {v.training:.4f}, of the response from patient to "
        f"patient {v.response:.4f}, of one training on one patient {v.residual:.4f}", highlight=False
    )  # fmt: skip
    seeds = sorted({s for _, s, _ in found.rows})
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("patients", justify="right")
    for s in seeds:
        table.add_column(f"{s} seeds", justify="right")
    for n in sorted({n for n, _, _ in found.rows}):
        table.add_row(str(n), *(f"{d:.4f}" for m, _, d in found.rows if m == n))
    console.print(table)
    console.print("[dim]smallest true difference in Dice shown with 80% power, seeds an arm[/]")
