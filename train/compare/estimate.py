"""From two tables of seeds by patients to one difference: estimate, interval, p.

The model of one bone's Dice, patient p, seed s, arm a::

    y[a, s, p] = mean[a] + patient[p] + response[a, p] + training[a, s] + residual[a, s, p]

Patients are shared by the arms and cancel; trainings do not. The difference B - A of the means therefore varies with
the trainings, with how patients respond, and with the residual. A two-way analysis of variance
gives three mean squares:

- between the trainings of an arm: ``seed`` = training + residual part, few degrees of freedom;
- between the patients' differences: ``patient`` = response + residual part;
- the residual itself, which both of them hold once; it is taken out of the patients' part.

Interval and p: estimate plus and minus the quantile of the sum of two scaled t variables (:mod:`train.compare.twot`).
A verdict needs more than that p: the larger of it and of a paired t over patients. So no bone is called better on seeds
that agreed by chance alone, which matters where a training now and then misses a bone. Both were chosen by simulation:
benchmarks/statistics and docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from train.compare.twot import reach, t_quantile, two_sided_p


@dataclass(frozen=True)
class Difference:
    """One bone's (or group's) difference between two arms, in the metric's own unit.

    Attributes:
        n: patients in it.
        mean_a, mean_b, delta: means over patients of means over seeds, and B - A; NaN with no patients.
        seed_var, seed_df: variance of ``delta`` from the trainings; NaN with one seed in an arm.
        patient_var, patient_df: variance of ``delta`` from the patients, residual included; NaN with one patient.
        residual_var: the part that both hold; NaN with one seed.
        per_patient: float64 (n,), B - A of each patient.
    """

    n: int
    mean_a: float
    mean_b: float
    delta: float
    seed_var: float
    seed_df: float
    patient_var: float
    patient_df: float
    residual_var: float
    per_patient: np.ndarray

    @property
    def has_seeds(self) -> bool:
        """Each arm has two trainings or more, so that their variance is known."""
        return not math.isnan(self.seed_var)

    @property
    def varies(self) -> bool:
        """Scores vary from training to training or from patient to patient; if none do, nothing is known of doubt."""
        return bool(self.seed_var > 0 or self.patient_var > 0)

    @property
    def _scales(self) -> tuple[float, float, float, float]:
        response = max(self.patient_var - self.residual_var, 0.0)
        return math.sqrt(self.seed_var), self.seed_df, math.sqrt(response), self.patient_df

    @property
    def error(self) -> float:
        """Standard error of ``delta``; of the patients alone when the seeds' variance is not known; else NaN."""
        if self.n < 2:
            return math.nan
        if not self.has_seeds:
            return math.sqrt(self.patient_var)
        return math.hypot(self._scales[0], self._scales[2])

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Confidence interval of ``delta``; over patients alone when the seeds' variance is not known."""
        if self.n < 2:
            return math.nan, math.nan
        if self.has_seeds:
            half = reach(confidence, *self._scales)
        else:
            half = t_quantile((1 + confidence) / 2, self.patient_df) * math.sqrt(self.patient_var)
        return self.delta - half, self.delta + half

    @property
    def p(self) -> float:
        """Two-sided p of no difference; NaN when the seeds' variance is not known or there are under two patients."""
        if self.n < 2 or not self.has_seeds:
            return math.nan
        return two_sided_p(self.delta, *self._scales)

    @property
    def strict_p(self) -> float:
        """The p that a verdict is given by: the larger of :attr:`p` and of a paired t over patients."""
        p = self.p
        if math.isnan(p) or self.delta == 0:
            return p
        patients = 0.0
        if self.patient_var > 0:
            patients = float(2 * special.stdtr(self.patient_df, -abs(self.delta) / math.sqrt(self.patient_var)))
        return max(p, patients)

    @property
    def effect(self) -> float:
        """Effect size: mean over standard deviation of the patients' differences (Cohen's d of pairs)."""
        if self.n < 2:
            return math.nan
        sd = float(np.std(self.per_patient, ddof=1))
        return self.delta / sd if sd > 0 else (0.0 if self.delta == 0 else math.nan)

    def detectable(self, alpha: float, power: float = 0.8) -> float:
        """Smallest true difference that this experiment would have shown with the stated power, two-sided at alpha."""
        if self.n < 2 or not self.has_seeds or not self.varies:
            return math.nan
        return reach(1 - alpha, *self._scales) + reach(2 * power - 1, *self._scales)


def difference(a: np.ndarray, b: np.ndarray, fold: np.ndarray | None = None) -> Difference:
    """Estimate the difference of two arms from their patients' scores.

    Args:
        a, b: float64 (seeds, patients) of one bone; the same patients in both, no NaN; seeds may differ in number.
        fold: int (patients,), when every fold was trained with seeds of its own: trainings are then compared within
            folds, which gives more degrees of freedom. ``None`` when a seed was used in every fold: its effect may be
            carried from fold to fold, and one seed over all folds counts as one training.
    """
    n = a.shape[1]
    if n == 0:
        return Difference(0, *[math.nan] * 8, np.empty(0))
    per_patient = b.mean(axis=0) - a.mean(axis=0)
    mean_a, mean_b = float(a.mean()), float(b.mean())
    patient_var = float(per_patient.var(ddof=1)) / n if n > 1 else math.nan
    seed_var = seed_df = residual_var = math.nan
    if min(len(a), len(b)) > 1 and n > 1:
        blocks = [np.ones(n, bool)] if fold is None else [fold == f for f in np.unique(fold)]
        seed_var, seed_df, residual_var = _components(a, b, blocks)
    return Difference(
        n, mean_a, mean_b, mean_b - mean_a, seed_var, seed_df, patient_var, n - 1, residual_var, per_patient
    )


def _components(a: np.ndarray, b: np.ndarray, blocks: list[np.ndarray]) -> tuple[float, float, float]:
    """Variance of the difference from the trainings, its degrees of freedom, and the residual's part.

    Trainings of both arms are taken to vary alike, which gives their variance the degrees of freedom of both.
    """
    n, pairs = a.shape[1], 1 / len(a) + 1 / len(b)
    df_one = len(a) + len(b) - 2
    seed_var = residual_var = 0.0
    weights = []
    for block in blocks:
        share = float(block.sum()) / n
        between = within = 0.0
        for arm in (a[:, block], b[:, block]):
            run = arm.mean(axis=1, keepdims=True)
            between += float(((run - run.mean()) ** 2).sum())
            within += float(((arm - run - arm.mean(axis=0) + run.mean()) ** 2).sum())
        m = int(block.sum())
        seed_var += share**2 * pairs * between / df_one
        if m > 1:
            residual_var += share**2 * pairs * within / (df_one * (m - 1)) / m
        weights.append(share**2)
    spread = sum(w**2 for w in weights)
    return seed_var, df_one * sum(weights) ** 2 / spread, residual_var


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of p-values for the family-wise error (Holm, 1979); NaN stays NaN, not counted."""
    adjusted = np.full(p.shape, math.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, float(p[i]) * (len(order) - rank)))
        adjusted[i] = worst
    return adjusted
