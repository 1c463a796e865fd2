"""How two sets differ: effect sizes with intervals over patients, and no tests of significance.

For a number: the Kolmogorov-Smirnov distance D, the largest gap between the two cumulative distributions (0: the same,
1: nothing in common), and the difference of the medians. For a direction: Kuiper's V, which is to a circle what D is to
a line, and the turn between the mean directions. For a share: the difference. Intervals are 95% percentile bootstrap
over patients, not films: two hands of one person are no two witnesses. D and V cannot be negative and lean upwards in
small sets; so beside each stands what chance gives: the 95% quantile of the same distance when the patients are dealt
to the two sets at random. With thirty measures one or two go beyond chance by chance.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; Kuiper, Indag. Math. 22 (1960).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.stats.circular import UPRIGHT, turn
from curate.stats.films import EXPOSURE, FilmFacts
from curate.stats.sets import FilmSet
from curate.stats.summary import NUMBERS, patients, summarise

ROUNDS = 1000
LEAST = 3
"""Patients of a set below which nothing is said of a measure."""

_BLOCK = 2_000_000


@dataclass(frozen=True)
class Measure:
    """One thing in which sets may differ.

    Attributes:
        name: as it is told. kind: "number", "direction" (degrees) or "share" (0 or 1 a film).
        of: film -> value, ``None`` where unknown. by_patient: one value a patient rather than a film.
    """

    name: str
    kind: str
    of: Callable[[FilmFacts], float | None]
    by_patient: bool = False


def measures(classes: Sequence[str]) -> list[Measure]:
    """Everything compared: orientation, exposure, size, bones, people."""
    listed = [
        Measure("fingers point to", "direction", lambda f: f.fingers_deg),
        Measure(f"fingers within {UPRIGHT:g} degrees of up", "share", _upright),
    ]
    listed += [Measure(EXPOSURE[k], "number", lambda f, k=k: (f.exposure or {}).get(k)) for k in EXPOSURE]
    listed += [
        Measure("film width, px", "number", lambda f: float(f.width)),
        Measure("film height, px", "number", lambda f: float(f.height)),
        Measure("all bones, thousandths of the frame", "number", _bones),
    ]
    listed += [Measure(f"{c}, thousandths of the frame", "number", lambda f, c=c: f.share(c)) for c in classes]
    listed += [Measure(f"{c} missing", "share", lambda f, c=c: _lacks(f, c)) for c in classes]
    listed.append(Measure("right hand", "share", lambda f: None if f.side is None else float(f.side == "right")))
    listed += [Measure(key, "number", lambda f, key=key: _number(f.meta.get(key)), True) for key in NUMBERS]
    listed.append(Measure("female", "share", _female, True))
    return listed


def _upright(film: FilmFacts) -> float | None:
    return None if film.fingers_deg is None else float(abs(turn(film.fingers_deg)) <= UPRIGHT)


def _bones(film: FilmFacts) -> float | None:
    return 1000 * sum(film.areas.values()) / (film.width * film.height) if film.areas else None


def _lacks(film: FilmFacts, name: str) -> float | None:
    return float(name not in film.areas) if film.labelled else None


def _female(film: FilmFacts) -> float | None:
    return float(film.meta["sex"] == "female") if "sex" in film.meta else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def compare(a: FilmSet, b: FilmSet, rounds: int = ROUNDS, seed: int = 0) -> dict[str, Any]:
    """Both sets summed up, and their differences: ``{a, b, shared, differences}``.

    ``shared`` counts the films that are in both; the rest is as ``summarise`` and ``differences`` say.
    """
    shared = {f.digest for f in a.films} & {f.digest for f in b.films}
    lines = differences(a, b, rounds, seed)
    return {"a": summarise(a), "b": summarise(b), "shared": len(shared), "differences": lines}


def differences(a: FilmSet, b: FilmSet, rounds: int = ROUNDS, seed: int = 0) -> list[dict[str, Any]]:
    """What differs between two sets, the largest effect first within numbers and directions, then shares.

    Measures that neither set varies in (no film lacks a bone) or that one set knows nothing of are left out.

    Args:
        rounds: of the bootstrap. seed: the same gives the same figures.

    Returns:
        ``[{what, kind, a, b, n_a, n_b, patients_a, patients_b, distance, distance_ci, chance, shift, shift_ci}]``:
        ``a``, ``b`` the medians, mean directions or shares; ``distance`` D or V, ``None`` for a share; ``chance``
        ``None`` where the sets have patients in common; ``shift`` from a to b.
    """
    classes = [c for c in a.classes if c in b.classes]
    found = []
    for k, measure in enumerate(measures(classes)):
        first, second = _values(a, measure), _values(b, measure)
        if min(len({*first[1]}), len({*second[1]})) < LEAST:
            continue
        pooled = np.concatenate([first[0], second[0]])
        if pooled.min() == pooled.max():
            continue
        found.append(_Comparison(measure, first, second, np.random.default_rng((seed, k)), rounds).line())
    return sorted(found, key=lambda line: (line["kind"] == "share", -(line["distance"] or abs(line["shift"]))))


def _values(films: FilmSet, measure: Measure) -> tuple[np.ndarray, list[str]]:
    """Known values and their patients."""
    known = list(patients(films).values()) if measure.by_patient else films.films
    pairs = [(value, film.group) for film in known if (value := measure.of(film)) is not None]
    return np.array([v for v, _ in pairs], float), [g for _, g in pairs]


class _Comparison:
    """One measure in two sets: point estimates, and the same under resampled or dealt patients.

    Films are columns in the order of their values; a round is a row of weights, so that all rounds are a few sums.
    """

    def __init__(self, measure: Measure, a: tuple, b: tuple, rng: np.random.Generator, rounds: int):
        self.measure, self.rng, self.rounds = measure, rng, rounds
        values = np.concatenate([a[0], b[0]])
        groups, index = np.unique([*a[1], *b[1]], return_inverse=True)
        order = np.argsort(values, kind="stable")
        self.values, self.patient = values[order], index[order]
        self.in_b = (np.arange(len(values)) >= len(a[0]))[order]
        self.ends = np.flatnonzero(np.append(np.diff(self.values) > 0, True))
        self.groups = len(groups)
        of_a, of_b = np.unique(index[: len(a[0])]), np.unique(index[len(a[0]) :])
        self.of_a, self.of_b = of_a, of_b
        self.shared = bool(np.intersect1d(of_a, of_b).size)
        self.counts = {"n_a": len(a[0]), "n_b": len(b[0]), "patients_a": len(of_a), "patients_b": len(of_b)}

    def line(self) -> dict[str, Any]:
        whole = np.ones((1, len(self.values)))
        first, second, shift, distance = (float(x[0]) for x in self._figures(whole * ~self.in_b, whole * self.in_b))
        drawn = self._rounds(self._resampled)
        kind = self.measure.kind
        spread = turn(drawn[2] - shift) if kind == "direction" else drawn[2] - shift
        low, high = (float(v) + shift for v in np.nanpercentile(spread, (2.5, 97.5)))
        line = {"what": self.measure.name, "kind": kind, "a": round(first, 4), "b": round(second, 4), **self.counts}
        line |= {"distance": None, "distance_ci": None, "chance": None}
        if kind != "share":
            line["distance"] = round(distance, 4)
            line["distance_ci"] = [round(float(v), 4) for v in np.nanpercentile(drawn[3], (2.5, 97.5))]
            if not self.shared:
                line["chance"] = round(float(np.nanpercentile(self._rounds(self._dealt)[3], 95)), 4)
        return line | {"shift": round(shift, 4), "shift_ci": [round(low, 4), round(high, 4)]}

    def _rounds(self, weights: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Figures of every round, float64 (4, rounds), a block of rounds at a time."""
        block = max(1, _BLOCK // len(self.values))
        done = [self._figures(*weights(min(block, self.rounds - k))) for k in range(0, self.rounds, block)]
        return np.concatenate([np.stack(d) for d in done], axis=1)

    def _resampled(self, rounds: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (rounds, n) of films of a and of b when patients are drawn with replacement: of each set for itself,
        or of both together where the sets share patients."""
        times = np.zeros((rounds, self.groups))
        for those in ([np.arange(self.groups)] if self.shared else [self.of_a, self.of_b]):
            times[:, those] = self.rng.multinomial(len(those), np.full(len(those), 1 / len(those)), size=rounds)
        weights = times[:, self.patient]
        return weights * ~self.in_b, weights * self.in_b

    def _dealt(self, rounds: int) -> tuple[np.ndarray, np.ndarray]:
        """The same when patients are dealt to the two sets at random, as many to each as there are."""
        order = np.argsort(self.rng.random((rounds, self.groups)), axis=1)
        to_b = (order < len(self.of_b))[:, self.patient]
        return (~to_b).astype(float), to_b.astype(float)

    def _figures(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
        """Centre of a, centre of b, shift and distance of each round, from weights of shape (rounds, n)."""
        with np.errstate(invalid="ignore", divide="ignore"):  # a round may draw nobody of a small shared set
            pa, pb = (np.cumsum(w, axis=1) / w.sum(axis=1, keepdims=True) for w in (a, b))
            gap = (pb - pa)[:, self.ends]
            if self.measure.kind == "share":
                ca, cb = ((w * self.values).sum(axis=1) / w.sum(axis=1) for w in (a, b))
                return ca, cb, cb - ca, np.abs(cb - ca)
        nobody = np.isnan(gap[:, -1])
        if self.measure.kind == "direction":
            angles = np.exp(1j * np.radians(self.values))
            ca, cb = (np.where(nobody, np.nan, np.degrees(np.angle(w @ angles)) % 360) for w in (a, b))
            return ca, cb, np.asarray(turn(cb - ca)), np.maximum(gap.max(axis=1), 0) - np.minimum(gap.min(axis=1), 0)
        ca, cb = (np.where(nobody, np.nan, self.values[np.argmax(p >= 0.5 - 1e-12, axis=1)]) for p in (pa, pb))
        return ca, cb, cb - ca, np.abs(gap).max(axis=1)
