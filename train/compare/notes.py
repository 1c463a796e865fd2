"""What a reader should know of an experiment before its numbers: too few seeds or patients, trainings out of line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from train.compare.arm import Arm, same_training
from train.compare.estimate import Difference

_MOST_BONES = 3
_FEW_PATIENTS = 20
_UNLIKE = 3.0
_LEAST_SEEDS = 3  # of an arm, from which its spread is looked at


def seed_notes(first: Arm, second: Arm) -> list[str]:
    """One seed, other numbers of them, a training that stands in both arms."""
    notes = []
    few = [str(arm.path) for arm in (first, second) if len(arm.seeds) < 2]
    if few:
        notes.append(
            f"seed variance not estimated: one seed in {' and in '.join(few)}. Another seed alone could change any "
            "difference below; intervals cover the patients only, and no verdict is given"
        )
    elif len(first.seeds) != len(second.seeds):
        notes.append(
            "other numbers of seeds in the arms: that holds only where their seeds vary alike; better give both as many"
        )
    if any(same_training(x, y) for x in first.scores["dice"] for y in second.scores["dice"]):
        notes.append("a run of A and one of B have the same scores to the last digit: is it one training in both arms?")
    return notes


def patient_notes(n: int) -> list[str]:
    """Few patients, and what they cannot have shown: a failure in up to 3 of n (the rule of three)."""
    if n == 1:
        return ["a single patient: no interval and no verdict, whatever the number of films"]
    if n < _FEW_PATIENTS:
        share = f"up to {300 / n:.0f}% of patients" if n > 3 else "most patients"
        return [f"{n} patients: a failure that none of them showed could still come in {share}; no interval holds that"]
    return []


def lost_notes(estimates: Sequence[Difference], classes: Sequence[str], alpha: float) -> list[str]:
    """Bones that some trainings lose and others find, in too few trainings to tell the arms apart by that."""
    lost = [name for name, e in zip(classes, estimates, strict=True) if e.has_seeds and e.lost_p > alpha]
    if not lost:
        return []
    more = f" and {len(lost) - _MOST_BONES} more" if len(lost) > _MOST_BONES else ""
    return [
        f"some trainings miss a bone on most patients, others find it ({', '.join(lost[:_MOST_BONES])}{more}): "
        "trainings can agree by chance there, and so few give no verdict on it"
    ]


def spread_notes(by_patient: tuple[np.ndarray, np.ndarray]) -> list[str]:
    """The trainings of one arm vary much more than those of the other, over the bones.

    Args:
        by_patient: float64 (seeds, n_patients, classes) of each arm, NaN where a patient lacks a class.
    """
    if min(map(len, by_patient)) < _LEAST_SEEDS:
        return []
    held = ~np.isnan(by_patient[0][0])
    counted = np.maximum(held.sum(axis=0), 1)
    spread = [np.std(np.where(held, arm, 0.0).sum(axis=1) / counted, axis=0, ddof=1) for arm in by_patient]
    both = (spread[0] > 1e-9) & (spread[1] > 1e-9)
    if not both.any():
        return []
    ratio = float(np.median(spread[1][both] / spread[0][both]))
    if 1 / _UNLIKE <= ratio <= _UNLIKE:
        return []
    more, less = ("B", "A") if ratio > 1 else ("A", "B")
    return [
        f"the trainings of {more} vary {max(ratio, 1 / ratio):.0f} times as much as those of {less} (median over "
        "bones): intervals are then too narrow, and false alarms come more often than stated"
    ]
