"""Candidate tests and intervals for the difference of two arms, all bones at once.

Each takes a :class:`Pair` and gives the p that a verdict is given by, and the p that its interval inverts: the 95%
interval holds zero exactly when that is at least 0.05. ``None`` for the second means that the candidate gives no
interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy import special, stats

from train.compare.estimate import Difference, difference
from train.compare.twot import two_sided_p

DRAWS = 1999
CHOSEN = "**the report: two t, guarded**"


@dataclass(frozen=True)
class Pair:
    """One experiment.

    Attributes:
        a, b: Dice of the arms, float64 (seeds, patients, classes).
        rng: for what is drawn. fold: of each patient, where every fold has seeds of its own; else ``None``.
    """

    a: np.ndarray
    b: np.ndarray
    rng: np.random.Generator
    fold: np.ndarray | None = None

    @cached_property
    def differences(self) -> list[Difference]:
        """The shipped estimate of every class."""
        return [difference(self.a[:, :, k], self.b[:, :, k], self.fold) for k in range(self.a.shape[2])]

    @cached_property
    def p(self) -> np.ndarray:
        """The shipped p of every class."""
        return np.array([d.p for d in self.differences])

    def shifted(self, by: np.ndarray | float) -> Pair:
        """The same experiment, had arm B been better by so much in every bone, or bone by bone."""
        made = Pair(self.a, self.b + by, self.rng, self.fold)
        each = np.broadcast_to(by, self.a.shape[2])
        shifted = [
            replace(d, mean_b=d.mean_b + e, delta=d.delta + e, per_patient=d.per_patient + e)
            for d, e in zip(self.differences, each.tolist(), strict=True)
        ]
        made.__dict__["differences"] = shifted  # what varies is the same: no need to estimate it again
        return made


def wilcoxon(pair):
    """Patients' differences of seed means by signed ranks, as if the seed were fixed."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(stats.wilcoxon(pair.b.mean(0) - pair.a.mean(0)).pvalue, nan=1.0), None


def patient_t(pair):
    """Paired t over patients, as if the seed were fixed."""
    d = pair.b.mean(0) - pair.a.mean(0)
    error = np.maximum(d.std(0, ddof=1) / np.sqrt(len(d)), 1e-12)  # a bone that no run found varies nowhere
    p = 2 * stats.t.sf(np.abs(d.mean(0)) / error, len(d) - 1)
    return p, p


def patient_bootstrap(pair):
    """Patients resampled; seeds as they are. Percentiles."""
    d = pair.b.mean(0) - pair.a.mean(0)
    n = len(d)
    return _percentile(pair.rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n @ d)


def both_bootstrap(pair):
    """Patients and, in each arm, seeds resampled. Percentiles."""
    a, b, rng = pair.a, pair.b, pair.rng
    n = a.shape[1]
    weight = rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n
    total = 0.0
    for sign, arm in ((-1, a), (1, b)):
        s = len(arm)
        seeds = rng.multinomial(s, np.full(s, 1 / s), DRAWS) / s
        total = total + sign * sum(seeds[:, i, None] * (weight @ arm[i]) for i in range(s))
    return _percentile(total)


def permutation(pair):
    """Trainings relabelled between the arms, and patients' deviations from the mean difference flipped in sign."""
    a, b, rng = pair.a, pair.b, pair.rng
    every, s, n = np.concatenate([a, b]), len(a), a.shape[1]
    observed = np.abs((b.mean(0) - a.mean(0)).mean(0))
    labels = list(combinations(range(len(every)), s))
    per = -(-DRAWS // len(labels))
    beyond = 0
    for first in labels:
        rest = [i for i in range(len(every)) if i not in first]
        d = every[rest].mean(0) - every[list(first)].mean(0)
        middle = d.mean(0)
        flipped = rng.choice((-1.0, 1.0), (per, n)) @ (d - middle) / n
        beyond = beyond + (np.abs(middle + flipped) >= observed - 1e-15).sum(0)
    return (1 + beyond) / (1 + per * len(labels)), None


def satterthwaite(pair):
    """Variance components, one t with Satterthwaite's degrees of freedom: a mixed model's test on balanced data."""
    p = []
    for d in pair.differences:
        if not d.varies:
            p.append(1.0)
            continue
        variance = max(d.seed_var + d.patient_var - d.residual_var, d.seed_var, d.patient_var)
        residual_df = (len(pair.a) + len(pair.b) - 2) * (d.n - 1)
        spread = d.seed_var**2 / d.seed_df + d.patient_var**2 / d.patient_df + d.residual_var**2 / residual_df
        p.append(2 * special.stdtr(variance**2 / spread, -abs(d.delta) / np.sqrt(variance)))
    return np.array(p), np.array(p)


def two_t(pair):
    """Variance components, the sum of two t variables (Behrens and Fisher)."""
    p = np.array([
        two_sided_p(d.delta, d.seed_var**0.5, d.seed_df, max(d.patient_var - d.residual_var, 0.0)**0.5, d.patient_df)
        for d in pair.differences
    ])  # fmt: skip
    return p, p


def chosen(pair):
    """The report's: interval of the two t, below five patients no narrower than a paired t's; verdict by the largest of
    its p, of a paired t over patients and, where trainings lose the bone, of Fisher's test over trainings."""
    p = np.array([d.strict_p for d in pair.differences])
    return np.nan_to_num(p, nan=1.0), pair.p  # no interval where no score varies: NaN


def fast(candidate) -> bool:
    """Whether a candidate needs no resampling, so that many experiments can be tried."""
    return candidate not in (patient_bootstrap, both_bootstrap, permutation)


CANDIDATES = {
    "Wilcoxon over patients": wilcoxon,
    "paired t over patients": patient_t,
    "patient bootstrap": patient_bootstrap,
    "seed-and-patient bootstrap": both_bootstrap,
    "permutation of patients and seeds": permutation,
    "mixed model, Satterthwaite t": satterthwaite,
    "mixed model, two t": two_t,
    CHOSEN: chosen,
}


def _percentile(draws):
    below = (draws <= 0).mean(0)
    p = np.minimum(1.0, (2 * np.minimum(below, 1 - below) * DRAWS + 1) / (DRAWS + 1))
    return p, p
