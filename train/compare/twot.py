"""The sum of two scaled, independent t variables: the reference distribution of a difference with two sources of error.

Behrens and Fisher's solution for a variance that is a sum of two, each estimated with its own degrees of freedom.
Its tails are honest where Satterthwaite's single t is not: with two or three seeds the estimated degrees of freedom of
Satterthwaite swing with the luck of the seeds, and at the small p that Holm over 29 bones asks for, false alarms rise
to 30% (docs/statistics.md). The test's level never exceeds the nominal one (Robinson, Annals of Statistics 4, 1976).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import special

_STEP = 1.05  # of a scale, for a derivative
_FAR = 14.0  # t = sinh(x) up to here puts nodes close where the density is and far out where a t of 1 still has mass


Scale = float | tuple[float, ...]


def two_sided_p(distance: float, scale1: Scale, df1: float, scale2: float, df2: float) -> float:
    """``P(|scale1 T1 + scale2 T2| >= |distance|)`` for independent T1 and T2 with df1 and df2 degrees of freedom.

    Args:
        distance: observed difference.
        scale1, scale2: standard errors of the two sources, >= 0; several of the first, each as likely as the other.
        df1, df2: their degrees of freedom, > 0.

    Returns:
        A probability; 1.0 when the distance is 0; 0.0 for a distance other than 0 when both scales are 0.
    """
    if isinstance(scale1, tuple):
        return sum(two_sided_p(distance, scale, df1, scale2, df2) for scale in scale1) / len(scale1)
    (small, df_small), (large, df_large) = sorted(((scale1, df1), (scale2, df2)))
    distance = abs(distance)
    if distance == 0:
        return 1.0
    if large == 0:
        return 0.0
    if small < 1e-9 * large:
        return float(2 * special.stdtr(df_large, -distance / large))
    nodes, weights = _density(df_small)
    tail = special.stdtr(df_large, (small * nodes - distance) / large)
    return float(min(1.0, 2 * (weights @ tail)))


def reach(confidence: float, scale1: Scale, df1: float, scale2: float, df2: float) -> float:
    """Half-width of the interval: the distance whose :func:`two_sided_p` is ``1 - confidence``."""
    alpha = 1 - confidence
    scales = scale1 if isinstance(scale1, tuple) else (scale1,)
    first, second = t_quantile(1 - alpha / 2, df1), scale2 * t_quantile(1 - alpha / 2, df2)
    # never less than either alone, never more than both in line
    low, high = max(min(scales) * first, second), max(scales) * first + second
    if high - low <= 1e-9 * high:
        return high

    def excess(distance: float) -> float:
        return float(np.log(max(two_sided_p(distance, scale1, df1, scale2, df2), 1e-300) / alpha))

    return _root(excess, low * 0.999, high * 1.001, 1e-9 * high)


def smallest_seen(alpha: float, power: float, scale1: Scale, df1: float, scale2: float, df2: float) -> float:
    """Smallest true difference that the test at ``alpha`` shows with a power.

    Where the error's quantile is far out and its scale known from few degrees of freedom, what the difference has to
    pass varies more than the difference itself; both are counted, the first by its mean and variance (a scale of n
    degrees of freedom has the relative variance 1 / 2n).
    """
    scales = scale1 if isinstance(scale1, tuple) else (scale1,)
    threshold = reach(1 - alpha, scales, df1, scale2, df2)
    if threshold == 0:
        return 0.0
    first = (reach(1 - alpha, tuple(_STEP * s for s in scales), df1, scale2, df2) - threshold) / (_STEP - 1)
    second = threshold - first  # the threshold is homogeneous in its two scales
    true = sum(1 / s**2 for s in scales) / len(scales) if min(scales) else 0.0  # factors average to 1 in 1 / square
    error = scale2**2 + (1 / true if true else 0.0)
    wide = math.sqrt(error + first**2 / (2 * df1) + second**2 / (2 * df2))
    return threshold - first / (4 * df1) - second / (4 * df2) + float(special.ndtri(power)) * wide


def _root(falling: Callable[[float], float], low: float, high: float, close: float) -> float:
    """Where a falling function is 0: regula falsi, Illinois (scipy.optimize has better, and takes 0.4 s to import)."""
    at_low, at_high = falling(low), falling(high)
    kept = 0
    for _ in range(100):
        middle = (low * at_high - high * at_low) / (at_high - at_low) if at_low > 0 > at_high else (low + high) / 2
        value = falling(middle)
        if value > 0:
            low, at_low = middle, value
            at_high /= 2 if kept == 1 else 1
            kept = 1
        else:
            high, at_high = middle, value
            at_low /= 2 if kept == -1 else 1
            kept = -1
        if high - low < close or abs(value) < 1e-10:
            break
    return middle


def t_quantile(probability: float, df: float) -> float:
    """Student's t below which a variable lies with a probability."""
    return float(special.stdtrit(df, probability))


@lru_cache(maxsize=256)
def _density(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes over t of some degrees of freedom, those that hold any of it, and their weights, which sum to 1."""
    # fine enough for a relative error of 1e-4 in p; with one degree of freedom much of it comes from the far nodes
    x, dx = np.linspace(-_FAR, _FAR, 701 if df >= 2 else 5601, retstep=True)
    nodes = np.sinh(x)
    # scipy.stats has this density too, and takes a second to import
    log_top = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - np.log(df * np.pi) / 2
    weights = np.exp(log_top - (df + 1) / 2 * np.log1p(nodes**2 / df)) * np.cosh(x) * dx
    held = weights > 1e-18
    return nodes[held], weights[held] / weights.sum()
