"""Recall, false alarms and AUROC of one flag, with intervals that respect which films belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """One film under one flag: what is true, what was said, and which study it belongs to."""

    film: str
    study: str
    truth: bool
    score: float
    flagged: bool


@dataclass
class Result:
    """A flag's figures on some films. Intervals are 95%: Wilson's for shares, bootstrap over studies for AUROC."""

    flag: str
    where: str
    positives: int
    negatives: int
    found: int
    alarms: int
    auroc: float
    auroc_range: tuple[float, float]
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)

    def to_dict(self) -> dict:
        return dict(self.__dict__)

    def row(self) -> str:
        """One line of the table."""
        recall, alarms = share(self.found, self.positives), share(self.alarms, self.negatives)
        auroc = (
            "" if np.isnan(self.auroc) else f"{self.auroc:.3f} ({self.auroc_range[0]:.2f}-{self.auroc_range[1]:.2f})"
        )
        return f"{self.flag:<16} {self.where:<28} {recall:<26} {alarms:<26} {auroc}"


HEADER = f"{'flag':<16} {'films':<28} {'recall':<26} {'false alarms':<26} AUROC"


def wilson(k: int, n: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    z, p = 1.96, k / n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, float((centre - half) / (1 + z * z / n))), float((centre + half) / (1 + z * z / n))


def share(k: int, n: int) -> str:
    """``18/20 90% (70-97)``."""
    if n == 0:
        return "-"
    low, high = wilson(k, n)
    return f"{k}/{n} {100 * k / n:.0f}% ({100 * low:.0f}-{100 * high:.0f})"


def auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Chance that a positive film scores higher than a negative one; NaN without both."""
    good, bad = scores[truth], scores[~truth]
    if not len(good) or not len(bad):
        return float("nan")
    return float(np.mean((good[:, None] > bad) + 0.5 * (good[:, None] == bad)))


def judge(flag: str, where: str, cases: Sequence[Case], rounds: int = 400) -> Result:
    """A flag's figures on some films."""
    scores = np.array([c.score for c in cases])
    truth = np.array([c.truth for c in cases], bool)
    studies, index = np.unique([c.study for c in cases], return_inverse=True)
    members = [np.flatnonzero(index == k) for k in range(len(studies))]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(rounds):
        pick = np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
        value = auroc(scores[pick], truth[pick])
        if not np.isnan(value):
            drawn.append(value)
    span = tuple(float(v) for v in np.percentile(drawn, (2.5, 97.5))) if drawn else (float("nan"), float("nan"))
    return Result(
        flag,
        where,
        int(truth.sum()),
        int((~truth).sum()),
        sum(c.truth and c.flagged for c in cases),
        sum(c.flagged and not c.truth for c in cases),
        auroc(scores, truth),
        span,
        [c.film for c in cases if c.truth and not c.flagged],
        [c.film for c in cases if c.flagged and not c.truth],
    )
