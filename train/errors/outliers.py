"""Films whose Dice is out of line with the same bone on other films: a robust statistic with a known rate of alarms.

A bone's error on a film is e = log(1 - Dice + 0.001), for the shares that are wrong vary by factors. Its statistic is
z = (e - median) / (1.4826 MAD) over the bone's films (Leys et al., "Detecting outliers: do not use standard deviation
around the mean", J. Exp. Soc. Psychol. 49, 2013). For few films that quotient has heavy tails, so that its limit is not
the normal distribution's but that of the statistic itself, simulated for as many normal values as there are films. The
rate is that of false alarms a film, Bonferroni's over its bones: bones that err together only make them rarer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

FEWEST = 8
"""Films with the bone below which nothing is called an outlier."""
LEAST = 0.05
"""Dice below the bone's median that is worth a look at all."""
_FLOOR = 0.001
_DRAWS = 1_000_000  # values simulated for a limit
_TAIL = 0.05
_SIZES = tuple(round(2 ** (k / 4)) for k in range(12, 49))  # for how many films: 8 to 4096, few enough to simulate


@dataclass(frozen=True)
class Outlier:
    """The bones of one film that are out of line with other films, the furthest first.

    Attributes:
        film: its index. bones: indices of the classes. dice, medians: of the film, and of the bones over all films.
        excess: of each bone, its statistic divided by the limit; 1 and above is out of line.
        n: films with each bone.
    """

    film: int
    bones: tuple[int, ...]
    dice: tuple[float, ...]
    medians: tuple[float, ...]
    excess: tuple[float, ...]
    n: tuple[int, ...]


def excess_of(dice: np.ndarray, rate: float = 0.01) -> np.ndarray:
    """How far each film's Dice is out of line with its bone.

    Args:
        dice: float (films, classes), NaN where a bone is in neither mask. rate: of false alarms a film, below 0.05.

    Returns:
        float64 (films, classes): the statistic divided by its limit, NaN where there is nothing to say.
    """
    judged = [k for k in range(dice.shape[1]) if np.isfinite(dice[:, k]).sum() >= FEWEST]
    found = np.full(dice.shape, np.nan)
    for k in judged:
        held = np.isfinite(dice[:, k])
        error = np.log(1 - dice[held, k] + _FLOOR)
        middle = np.median(error)
        spread = 1.4826 * np.median(np.abs(error - middle))
        z = (error - middle) / max(spread, 1e-9)
        ratio = z / limit(int(held.sum()), min(1 - (1 - rate) ** (1 / len(judged)), 0.99 * _TAIL))
        near = dice[held, k] > np.median(dice[held, k]) - LEAST
        found[held, k] = np.where(near, np.minimum(ratio, 0.99), ratio)
    return found


def find_outliers(dice: np.ndarray, rate: float = 0.01) -> list[Outlier]:
    """The films that are out of line, the furthest first; arguments as for :func:`excess_of`."""
    excess = excess_of(dice, rate)
    outliers = []
    for film in range(len(dice)):
        bones = [k for k in np.argsort(-np.nan_to_num(excess[film], nan=-np.inf)) if excess[film, k] >= 1]
        if bones:
            medians, n = np.nanmedian(dice[:, bones], 0), np.isfinite(dice[:, bones]).sum(0)
            numbers = [tuple(a.tolist()) for a in (dice[film, bones], medians, excess[film, bones], n)]
            outliers.append(Outlier(film, tuple(int(k) for k in bones), *numbers))
    return sorted(outliers, key=lambda found: -found.excess[0])


def limit(n: int, rate: float) -> float:
    """The value that the statistic of one film among ``n`` normal ones exceeds with a chance of ``rate``, or less.

    Simulated, with a fixed seed, for the next smaller of a few numbers of films. The far tail, which a simulation
    seldom reaches, is a generalised Pareto distribution (Pickands, Annals of Statistics 3, 1975) with the probability
    weighted moments of the largest twentieth of the values (Hosking and Wallis, Technometrics 29, 1987).
    """
    excess, threshold = _tail(max(size for size in _SIZES if size <= max(n, FEWEST)))
    if rate >= _TAIL:
        raise ValueError(f"no tail for a rate of {rate}")
    a0 = excess.mean()
    a1 = (excess * (len(excess) - 1 - np.arange(len(excess)))).sum() / (len(excess) * (len(excess) - 1))
    shape, scale = 2 - a0 / (a0 - 2 * a1), 2 * a0 * a1 / (a0 - 2 * a1)
    return float(threshold + scale / shape * ((rate / _TAIL) ** -shape - 1))


@cache
def _tail(n: int) -> tuple[np.ndarray, float]:
    """The largest simulated values, sorted, less the value from which they are the largest."""
    rng = np.random.default_rng(n)
    rounds, tail = max(_DRAWS // n, 1000), []
    for first in range(0, rounds, 20_000):
        values = rng.standard_normal((min(20_000, rounds - first), n), np.float32)
        away = values - np.median(values, axis=1, keepdims=True)
        tail.append((away / (1.4826 * np.median(np.abs(away), axis=1, keepdims=True))).ravel())
    z = np.concatenate(tail)
    threshold = float(np.quantile(z, 1 - _TAIL))
    return np.sort(z[z > threshold] - threshold).astype(float), threshold
