"""What a comparison found, as plain values: one line a bone, a group of bones, and the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from train.compare.estimate import Difference

VERDICTS = ("better", "worse", "equivalent", "inconclusive")


@dataclass(frozen=True)
class Line:
    """One bone, one group of bones, or the mean over all: arm B against arm A.

    Dice is the mean over patients of the mean over their films and over seeds, on films where the bone is.

    Attributes:
        name: of the class or group.
        n_present: films that hold it. n_patients: patients with such a film.
        dice_a, dice_b, delta: means, and B - A.
        ci: interval of ``delta`` at the comparison's confidence; over patients alone with one seed.
        p: two-sided, not adjusted; NaN with one seed.
        p_holm: Holm's adjustment, over the bones, of the larger of ``p`` and of a paired t over patients.
        verdict: one of ``VERDICTS``; better and worse by ``p_holm``, equivalent when ``ci`` lies within the margin.
        effect: mean over standard deviation of the patients' differences.
        wins, ties, losses: patients by their difference; a tie is within 0.001.
        detectable: smallest true difference seen with 80% power, at the level of Holm's first step.
        seed_share: share of the variance of ``delta`` that the seeds make.
        missed_a, missed_b: bones not found at all, of ``n_present`` x seeds of the arm.
        n_absent: films without it; invented_a, invented_b: predicted there all the same, of ``n_absent`` x seeds.
        nsd_a, nsd_b, nsd_delta, nsd_ci: the same for NSD.
        hd95_a, hd95_b: medians over films where it is defined for every run of both arms, in pixels.
        nsd_mm_a, nsd_mm_b, nsd_mm_delta, nsd_mm_ci, hd95_mm_a, hd95_mm_b: the same in millimetres, on the ``n_mm``
            films with the bone whose pixels have a known size.
        reader, reader_n: Dice between two readers of ``reader_n`` films; NaN where there is none.
        estimate: the statistics behind it; ``per_patient`` their differences.
    """

    name: str
    n_present: int
    n_patients: int
    dice_a: float
    dice_b: float
    delta: float
    ci: tuple[float, float]
    p: float
    p_holm: float
    verdict: str
    effect: float
    wins: int
    ties: int
    losses: int
    detectable: float
    seed_share: float
    missed_a: int = 0
    missed_b: int = 0
    n_absent: int = 0
    invented_a: int = 0
    invented_b: int = 0
    nsd_a: float = math.nan
    nsd_b: float = math.nan
    nsd_delta: float = math.nan
    nsd_ci: tuple[float, float] = (math.nan, math.nan)
    hd95_a: float = math.nan
    hd95_b: float = math.nan
    n_mm: int = 0
    nsd_mm_a: float = math.nan
    nsd_mm_b: float = math.nan
    nsd_mm_delta: float = math.nan
    nsd_mm_ci: tuple[float, float] = (math.nan, math.nan)
    hd95_mm_a: float = math.nan
    hd95_mm_b: float = math.nan
    reader: float = math.nan
    reader_n: int = 0
    estimate: Difference = field(default=None, repr=False, compare=False)

    @property
    def per_patient(self) -> np.ndarray:
        """float64 (n_patients,), B - A of each patient."""
        return self.estimate.per_patient

    def to_dict(self) -> dict[str, Any]:
        """Plain values; NaN becomes ``None``; Dice to six decimals, p to four digits."""
        plain: dict[str, Any] = {}
        for key in self.__dataclass_fields__:
            if key == "estimate":
                continue
            value = getattr(self, key)
            if isinstance(value, tuple):
                plain[key] = None if math.isnan(value[0]) else [rounded(v) for v in value]
            elif isinstance(value, float):
                plain[key] = digits(value) if key.startswith("p") else rounded(value)
            else:
                plain[key] = value
        return plain


@dataclass(frozen=True)
class Side:
    """One arm as the report names it.

    Attributes:
        name: version, or the folder where there is none. path: as given.
        facts: what ``run.json`` says of all its runs: digest, steps, training samples, software.
        seeds, folds, runs: their names. lineage: the steps that made the version, oldest first.
    """

    name: str
    path: str
    facts: dict[str, Any]
    seeds: tuple[str, ...]
    folds: tuple[str, ...]
    runs: tuple[str, ...]
    lineage: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        named = {"name": self.name, "path": self.path, **self.facts, "n_seeds": len(self.seeds)}
        return named | {k: list(getattr(self, k)) for k in ("seeds", "folds", "runs", "lineage")}


@dataclass(frozen=True)
class Film:
    """One evaluation film: mean Dice over its bones and over seeds in both arms, and the bones that changed most."""

    image: str
    group: str
    dice_a: float
    dice_b: float
    delta: float
    most: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Subgroup:
    """An exploratory look at some films: no p, no verdict."""

    name: str
    n_films: int
    n_patients: int
    dice_a: float
    dice_b: float
    delta: float
    ci: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        ci = None if math.isnan(self.ci[0]) else [rounded(v) for v in self.ci]
        numbers = {k: rounded(getattr(self, k)) for k in ("dice_a", "dice_b", "delta")}
        return {"name": self.name, "n_films": self.n_films, "n_patients": self.n_patients, **numbers, "ci": ci}


@dataclass(frozen=True)
class Comparison:
    """All that the report shows. ``a`` is the reference, ``b`` what is held against it; differences are B - A.

    ``together`` is the number of comparisons with ``a`` over which the p-values were adjusted: 1, or in a ranking more.
    """

    a: Side
    b: Side
    n_images: int
    n_groups: int
    margin: float
    confidence: float
    classes: tuple[Line, ...]
    groups: tuple[Line, ...]
    overall: Line
    films: tuple[Film, ...]
    subgroups: tuple[Subgroup, ...] = ()
    differences: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    software: dict[str, str] = field(default_factory=dict)
    run_folders: tuple[tuple[Path, ...], tuple[Path, ...]] = ((), ())
    manifest: Path | None = None
    config: dict[str, Any] = field(default_factory=dict)
    together: int = 1

    @property
    def n_seeds(self) -> int:
        """Seeds of the arm that has fewer."""
        return min(len(self.a.seeds), len(self.b.seeds))

    @property
    def seed_variance_known(self) -> bool:
        """Whether each arm has two seeds or more; without, there is no verdict."""
        return self.n_seeds > 1

    def line(self, name: str) -> Line | None:
        """The line of a class, a group, or ``overall``."""
        if name == "overall":
            return self.overall
        return next((line for line in (*self.classes, *self.groups) if line.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """The object of ``train diff --json``."""
        return {
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "n_images": self.n_images,
            "n_groups": self.n_groups,
            "n_seeds": self.n_seeds,
            "margin": self.margin,
            "confidence": self.confidence,
            "adjusted_over": self.together,
            "seed_variance": "estimated" if self.seed_variance_known else "not estimated",
            "classes": [line.to_dict() for line in self.classes],
            "groups": [line.to_dict() for line in self.groups],
            "overall": self.overall.to_dict(),
            "subgroups": [s.to_dict() for s in self.subgroups],
            "differences": [{"what": what, "a": a, "b": b} for what, a, b in self.differences],
            "notes": list(self.notes),
            "software": self.software,
        }


def rounded(value: float, places: int = 6) -> float | None:
    """For JSON: rounded, so that a last bit does not change the bytes; ``None`` for NaN."""
    return None if math.isnan(value) else round(value, places) + 0.0


def digits(value: float, n: int = 4) -> float | None:
    """A p-value to some digits; ``None`` for NaN."""
    return None if math.isnan(value) else float(f"{value:.{n}g}")
