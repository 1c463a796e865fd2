"""Claims for scripts: ``Pisiform>=+0.01`` is shown, or not."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from curate.errors import UsageError
from train.compare.result import Comparison
from train.compare.text import interval

_CLAIM = re.compile(r"^\s*(?P<name>.+?)\s*(?P<sign>>=|<=|>|<)\s*(?P<value>[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)\s*$")


@dataclass(frozen=True)
class Checked:
    """A claim and what became of it."""

    claim: str
    shown: bool
    why: str


def check_claims(comparison: Comparison, claims: Sequence[str]) -> list[Checked]:
    """Whether each claim about a difference B - A is shown.

    A claim names a class, a group or ``overall``. ``NAME>=VALUE`` is shown when the whole interval lies at or above the
    value, ``NAME<=VALUE`` when it lies at or below; with several claims the intervals share the error among them
    (Bonferroni). With one seed nothing is shown. ``Radius>=-0.005`` asks for a bone that did not get worse by more.

    Raises:
        UsageError: not a claim, or no such class.
    """
    confidence = 1 - (1 - comparison.confidence) / max(1, len(claims))
    return [_check(comparison, claim, confidence) for claim in claims]


def _check(comparison: Comparison, claim: str, confidence: float) -> Checked:
    parts = _CLAIM.match(claim)
    if parts is None:
        raise UsageError("--check", f"{claim!r} is no claim; write NAME>=VALUE, such as Pisiform>=+0.01")
    line = comparison.line(parts["name"])
    if line is None:
        names = ", ".join([x.name for x in (*comparison.groups, *comparison.classes)][:8])
        raise UsageError("--check", f"no class {parts['name']!r} here; there are overall, {names}, ...")
    if not comparison.seed_variance_known:
        return Checked(claim, False, "seed variance not estimated: one seed shows nothing")
    low, high = line.estimate.interval(confidence, strict=True)
    if math.isnan(low):
        return Checked(claim, False, f"{line.name}: too few patients, or scores that never vary, for an interval")
    if line.estimate.lost_p > 1 - confidence:
        return Checked(claim, False, f"{line.name}: some trainings lose it, too few to tell that from chance")
    value = float(parts["value"])
    shown = low >= value if parts["sign"].startswith(">") else high <= value
    told = f"{line.name} {line.delta:+.4f}, {100 * confidence:.4g}% interval {interval((low, high))}"
    return Checked(claim, shown, told)
