"""Plans of experiments as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from train.compare.power import MOST_SEEDS, Power

_WIDTH = 100


def print_power(found: Power, console: Any) -> None:
    """One line of a comparison: patients by seeds, and the smallest true difference in Dice that they show."""
    from rich.markup import escape
    from rich.table import Table

    v = found.variances
    console.print(
        f"{escape(found.name)}: standard deviation of a training {v.training:.4f} (80% limit "
        f"{found.cautious.training:.4f}), of the response from patient to patient {v.response:.4f}, of one training on "
        f"one patient {v.residual:.4f}", highlight=False
    )  # fmt: skip
    seeds = sorted({s for _, s, _ in found.rows})
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("patients", justify="right")
    for s in seeds:
        table.add_column(f"{s} seeds", justify="right")
    table.add_column(f"for {found.difference:g}", justify="right")
    for n, least, cautious in found.needed:
        table.add_row(str(n), *(f"{d:.4f}" for m, _, d in found.rows if m == n), _needed(least, cautious))
    console.print(table, width=min(_WIDTH, console.width))
    console.print(
        f"[dim]smallest true difference in Dice shown with {100 * found.power:g}% power, seeds an arm; last: seeds for "
        f"a difference of {found.difference:g}, by the estimate - by the 80% limit[/]"
    )


def print_needs(found: Sequence[Power], console: Any) -> None:
    """Many lines of a comparison: the seeds an arm that each needs, by patients."""
    from rich.markup import escape
    from rich.table import Table

    first = found[0]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in ("", "training SD", "limit", "response SD", *(str(n) for n, _, _ in first.needed)):
        table.add_column(name, justify="right" if name else "left", no_wrap=True, overflow="ellipsis")
    for one in found:
        sds = (one.variances.training, one.cautious.training, one.variances.response)
        cells = [_needed(least, cautious) for _, least, cautious in one.needed]
        table.add_row(escape(one.name), *(f"{sd:.4f}" for sd in sds), *cells)
    console.print(table, width=min(_WIDTH, console.width))
    console.print(
        f"[dim]seeds an arm that show a true difference of {first.difference:g} with {100 * first.power:g}% power, by "
        "number of patients; where two numbers stand, the second takes the trainings' standard deviation at its upper "
        "80% limit[/]"
    )


def _needed(least: int | None, cautious: int | None) -> str:
    low, high = (f">{MOST_SEEDS}" if s is None else str(s) for s in (least, cautious))
    return low if low == high else f"{low} - {high}"
