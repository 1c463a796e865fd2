"""Candidate tests and intervals for the difference of two arms, all bones at once.

Each takes Dice of arm A and B, float64 (seeds, patients, classes), a generator, and each patient's fold where every
fold has seeds of its own, else ``None``. It returns the p that a verdict is given by, and the p that its interval
inverts: the 95% interval holds zero exactly when that is at least 0.05. ``None`` for the second means that the
candidate gives no interval.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import special, stats

from train.compare.estimate import difference

DRAWS = 1999
CHOSEN = "**two t, and patients for the verdict**"


def wilcoxon(a, b, rng, fold=None):
    """Patients' differences of seed means by signed ranks, as if the seed were fixed."""
    return stats.wilcoxon(b.mean(0) - a.mean(0)).pvalue, None


def patient_t(a, b, rng, fold=None):
    """Paired t over patients, as if the seed were fixed."""
    d = b.mean(0) - a.mean(0)
    error = d.std(0, ddof=1) / np.sqrt(len(d))
    p = 2 * stats.t.sf(np.abs(d.mean(0)) / error, len(d) - 1)
    return p, p


def patient_bootstrap(a, b, rng, fold=None):
    """Patients resampled; seeds as they are. Percentiles."""
    d = b.mean(0) - a.mean(0)
    n = len(d)
    return _percentile(rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n @ d)


def both_bootstrap(a, b, rng, fold=None):
    """Patients and, in each arm, seeds resampled. Percentiles."""
    n = a.shape[1]
    weight = rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n
    total = 0.0
    for sign, arm in ((-1, a), (1, b)):
        s = len(arm)
        seeds = rng.multinomial(s, np.full(s, 1 / s), DRAWS) / s
        total = total + sign * sum(seeds[:, i, None] * (weight @ arm[i]) for i in range(s))
    return _percentile(total)


def permutation(a, b, rng, fold=None):
    """Trainings relabelled between the arms, and patients' deviations from the mean difference flipped in sign."""
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


def satterthwaite(a, b, rng, fold=None):
    """Variance components, one t with Satterthwaite's degrees of freedom: a mixed model's test on balanced data."""
    p = np.empty(a.shape[2])
    for k in range(a.shape[2]):
        d = difference(a[:, :, k], b[:, :, k], fold)
        variance = max(d.seed_var + d.patient_var - d.residual_var, d.seed_var, d.patient_var)
        residual_df = (len(a) + len(b) - 2) * (d.n - 1)
        spread = d.seed_var**2 / d.seed_df + d.patient_var**2 / d.patient_df + d.residual_var**2 / residual_df
        p[k] = 2 * special.stdtr(variance**2 / spread, -abs(d.delta) / np.sqrt(variance))
    return p, p


def two_t(a, b, rng, fold=None):
    """Variance components, the sum of two t variables (Behrens and Fisher)."""
    p = np.array([difference(a[:, :, k], b[:, :, k], fold).p for k in range(a.shape[2])])
    return p, p


def chosen(a, b, rng, fold=None):
    """The report's: interval of the two t; verdict by the larger of its p and of a paired t over patients."""
    found = [difference(a[:, :, k], b[:, :, k], fold) for k in range(a.shape[2])]
    return np.array([d.strict_p for d in found]), np.array([d.p for d in found])


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
