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
A verdict needs more than that p: the largest of it, of a paired t over patients, and, where some trainings lose the
bone altogether and others find it, of Fisher's exact test over the trainings. So no bone is called better on seeds that
agreed by chance alone. All were chosen by simulation: benchmarks/statistics and docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from train.compare.twot import reach, smallest_seen, t_quantile, two_sided_p

#: Below so many patients the residual cannot be told from how patients respond, and taking it out of the patients' part
#: leaves intervals too narrow: there they are at least as wide as a paired t's over the patients.
FEW_PATIENTS = 5
#: A variance of a mean below this is rounding: scores have six decimals.
_ROUNDING = 1e-24
_STEPS = 16


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
        lost_p: Fisher's exact p over the trainings that lose the bone on most patients and those that do not; 0 where
            all of both arms do the one or all the other.
        seed_factors: where the arms have other numbers of seeds, the trainings' part is no single t but one of these
            multiples of it, each as likely as the other.
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
    lost_p: float = 0.0
    seed_factors: tuple[float, ...] = (1.0,)

    @property
    def has_seeds(self) -> bool:
        """Each arm has two trainings or more, so that their variance is known."""
        return not math.isnan(self.seed_var)

    @property
    def varies(self) -> bool:
        """Scores vary from training to training or from patient to patient; if none do, nothing is known of doubt."""
        return bool(self.seed_var > 0 or self.patient_var > 0)

    @property
    def _known(self) -> bool:
        """Something can be said of doubt: two patients or more, and scores that vary."""
        return self.n > 1 and self.varies

    @property
    def _scales(self) -> tuple[tuple[float, ...], float, float, float]:
        response = max(self.patient_var - self.residual_var, 0.0)
        seeds = tuple(math.sqrt(self.seed_var) * factor for factor in self.seed_factors)
        return seeds, self.seed_df, math.sqrt(response), self.patient_df

    @property
    def error(self) -> float:
        """Standard error of ``delta``; of the patients alone when the seeds' variance is not known; else NaN."""
        if self.n < 2:
            return math.nan
        if not self.has_seeds:
            return math.sqrt(self.patient_var)
        return math.hypot(math.sqrt(self.seed_var), self._scales[2])

    def interval(self, confidence: float = 0.95, *, strict: bool = False) -> tuple[float, float]:
        """Confidence interval of ``delta``; over patients alone when the seeds' variance is not known; NaN where
        nothing is known of doubt.

        Args:
            strict: at least as wide as a paired t's over the patients, as a verdict asks for; always so below
                ``FEW_PATIENTS``.
        """
        if not self._known:
            return math.nan, math.nan
        half = t_quantile((1 + confidence) / 2, self.patient_df) * math.sqrt(self.patient_var)
        if self.has_seeds:
            both = reach(confidence, *self._scales)
            half = max(both, half) if strict or self.n < FEW_PATIENTS else both
        return self.delta - half, self.delta + half

    @property
    def p(self) -> float:
        """Two-sided p of no difference, which the interval inverts; NaN where nothing is known of doubt or seeds."""
        if not self._known or not self.has_seeds:
            return math.nan
        both = two_sided_p(self.delta, *self._scales)
        return max(both, self._patients_p) if self.n < FEW_PATIENTS else both

    @property
    def strict_p(self) -> float:
        """The p that a verdict is given by: the largest of :attr:`p`, a paired t over patients, and ``lost_p``."""
        p = self.p
        return p if math.isnan(p) or self.delta == 0 else max(p, self._patients_p, self.lost_p)

    @property
    def _patients_p(self) -> float:
        if self.delta == 0:
            return 1.0
        if not self.patient_var > 0:
            return 0.0
        return float(2 * special.stdtr(self.patient_df, -abs(self.delta) / math.sqrt(self.patient_var)))

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
        alone = (0.0, 1, math.sqrt(self.patient_var), self.patient_df)  # of a verdict's paired t
        return max(smallest_seen(alpha, power, *scales) for scales in (self._scales, alone))


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
    patient_var = _unless_rounding(float(per_patient.var(ddof=1)) / n) if n > 1 else math.nan
    seed_var = seed_df = residual_var = math.nan
    if min(len(a), len(b)) > 1 and n > 1:
        blocks = [np.ones(n, bool)] if fold is None else [fold == f for f in np.unique(fold)]
        seed_var, seed_df, residual_var = _components(a, b, blocks)
    return Difference(
        n, mean_a, mean_b, mean_b - mean_a, seed_var, seed_df, patient_var, n - 1, residual_var, per_patient,
        _lost_p(a, b), _seed_factors(len(a), len(b)),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _seed_factors(seeds_a: int, seeds_b: int) -> tuple[float, ...]:
    """What ``sqrt(var_a / seeds_a + var_b / seeds_b)`` is of the pooled estimate, at even steps of probability.

    For trainings that vary alike the two variances' share of their sum of squares is a beta variable, independent of
    that sum; so the estimate over its error is a t of both arms' degrees of freedom, scaled by a function of the share.
    """
    if seeds_a == seeds_b or min(seeds_a, seeds_b) < 2:
        return (1.0,)
    df_a, df_b, w_a, w_b = seeds_a - 1, seeds_b - 1, 1 / seeds_a, 1 / seeds_b
    share = special.betaincinv(df_a / 2, df_b / 2, (np.arange(_STEPS) + 0.5) / _STEPS)
    ratio = (df_a + df_b) * (w_a * share / df_a + w_b * (1 - share) / df_b) / (w_a + w_b)
    return tuple((1 / np.sqrt(ratio)).tolist())


def _unless_rounding(variance: float) -> float:
    return variance if variance > _ROUNDING else 0.0


def _components(a: np.ndarray, b: np.ndarray, blocks: list[np.ndarray]) -> tuple[float, float, float]:
    """Variance of the difference from the trainings, its degrees of freedom, and the residual's part.

    Each arm's variance is its own, so that an arm of few seeds that vary much is not taken for one of many that vary
    little. The degrees of freedom are both arms' together, as for trainings that vary alike; what three seeds say of
    them would swing with their luck.
    """
    n = a.shape[1]
    seed_var = residual_var = 0.0
    weights = []
    for block in blocks:
        m = int(block.sum())
        weights.append((m / n) ** 2)
        for arm in (a[:, block], b[:, block]):
            seeds, run = len(arm), arm.mean(axis=1, keepdims=True)
            between = float(((run - run.mean()) ** 2).sum()) / (seeds - 1)
            seed_var += weights[-1] * between / seeds
            if m > 1:
                within = float(((arm - run - arm.mean(axis=0) + run.mean()) ** 2).sum()) / ((seeds - 1) * (m - 1))
                residual_var += weights[-1] * within / seeds / m
    df = (len(a) + len(b) - 2) * sum(weights) ** 2 / sum(w**2 for w in weights)
    return _unless_rounding(seed_var), df, _unless_rounding(residual_var)


def _lost_p(a: np.ndarray, b: np.ndarray) -> float:
    """Fisher's exact two-sided p that the arms lose a bone (0 on most patients) in as many trainings; 0 without any.

    Whether a training finds a bone at all can be all or nothing: three trainings an arm that agree have a variance near
    0, and say no more than three throws of a coin.
    """
    lost_a, lost_b = (int(((arm == 0).mean(axis=1) > 0.5).sum()) for arm in (a, b))
    lost, total = lost_a + lost_b, len(a) + len(b)
    if lost in (0, total):
        return 0.0
    ways = [math.comb(len(a), k) * math.comb(len(b), lost - k) for k in range(lost + 1)]
    return sum(w for w in ways if w <= ways[lost_a]) / math.comb(total, lost)


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
