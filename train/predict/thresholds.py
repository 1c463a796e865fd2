"""Per-class thresholds by mean per-image Dice, and what they gain, told so that it isn't fooled."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.files import write_atomically
from train.evaluate import predict_films, true_plane
from train.reopen import OpenRun
from train.scores import EPSILON
from train.upscale import class_values, logit

GRID = tuple(round(0.05 * k, 2) for k in range(2, 19))
"""Candidate thresholds, 0.10 to 0.90."""
_FOLDS = 5


def dice_curves(logits: np.ndarray, scale: float, truth: np.ndarray, grid: Sequence[float] = GRID) -> np.ndarray:
    """Dice of one film at native size for every class and threshold.

    Each class's probabilities are resampled once, inside the box that the lowest threshold reaches, and counted into
    a histogram; every threshold's masks follow from its sums.

    Args:
        logits: float32 (classes, h, w). scale: logit pixels per film pixel. truth: unsigned (height, width).

    Returns:
        float64 (classes, thresholds); NaN where neither mask holds the class, 0 where only one does.
    """
    n, size = len(logits), (truth.shape[1], truth.shape[0])
    edges = np.array([logit(p) for p in grid], np.float32)
    found = np.full((n, len(grid)), np.nan)
    for k in range(n):
        mask = (truth >> truth.dtype.type(k)) & truth.dtype.type(1) == 1
        held = int(np.count_nonzero(mask))
        here = class_values(logits[k], scale, size, grid[0])
        inside, hit = np.zeros(len(grid)), np.zeros(len(grid))
        if here is not None:
            y, x, values = here
            bins = np.searchsorted(edges, values.ravel(), side="right")
            count = np.bincount(bins, minlength=len(grid) + 1)
            right = np.bincount(bins, weights=mask[y, x].ravel(), minlength=len(grid) + 1)
            inside, hit = count[::-1].cumsum()[::-1][1:], right[::-1].cumsum()[::-1][1:]
        with np.errstate(invalid="ignore"):
            dice = (2 * hit + EPSILON) / (inside + held + EPSILON)
        dice[(inside == 0) != (held == 0)] = 0.0
        dice[(inside == 0) & (held == 0)] = np.nan
        found[k] = dice
    return found


@dataclass(frozen=True)
class Tuned:
    """Thresholds and their worth.

    Attributes:
        thresholds: one a class; all the starting one where choosing did no good on films that were not chosen on.
        before: mean Dice a class at the starting threshold. after: with thresholds chosen on other patients only.
        gain: mean over classes of the difference: what new patients can be expected to bring, negative or not.
    """

    thresholds: tuple[float, ...]
    before: np.ndarray
    after: np.ndarray
    gain: float


def choose(curves: np.ndarray, groups: Sequence[str], start: float, grid: Sequence[float] = GRID) -> Tuned:
    """Choose per-class thresholds.

    Args:
        curves: float (films, classes, thresholds). groups: the patient of each film.
        start: the threshold that counts as doing nothing; the nearest of ``grid`` stands for it.

    The gain is that of cross-validation over patients: for each of five parts, the thresholds are chosen on the other
    four and judged on that one. Classes are not picked by their gain: that would make the sum of it flattering.
    """
    base = int(np.argmin(np.abs(np.array(grid) - start)))
    patients = sorted(set(groups))
    part = {g: k % min(_FOLDS, len(patients)) for k, g in enumerate(np.random.default_rng(0).permutation(patients))}
    parts = np.array([part[g] for g in groups])
    n = curves.shape[1]
    judged = np.full(curves.shape[:2], np.nan)
    for fold in np.unique(parts):
        rest = curves[parts != fold]
        for k in range(n):
            judged[parts == fold, k] = curves[parts == fold, k, _best(rest[:, k], base)]
    before, after = _means(curves[:, :, base]), _means(judged)
    both = np.isfinite(before) & np.isfinite(after)
    gain = float((after - before)[both].mean()) if both.any() else 0.0
    chosen = [grid[_best(curves[:, k], base)] if gain > 0 else start for k in range(n)]
    return Tuned(tuple(chosen), before, after, gain)


def _best(curves: np.ndarray, base: int) -> int:
    """The threshold with the best mean over films (films, thresholds); the nearest to the start among equals."""
    if not np.isfinite(curves).any():
        return base
    means = _means(curves)
    best = np.flatnonzero(means >= np.nanmax(means) - 1e-12)
    return int(best[np.argmin(np.abs(best - base))])


def _means(values: np.ndarray) -> np.ndarray:
    """Mean over films, NaN left out; NaN where nothing is left."""
    held = np.isfinite(values)
    total = np.where(held, values, 0).sum(0)
    return np.divide(total, held.sum(0), out=np.full(total.shape, np.nan), where=held.any(0))


def tune_thresholds(run: OpenRun, progress: Callable[[int], None] = lambda done: None) -> dict[str, Any]:
    """Tune a run's thresholds on its validation films and keep them in its folder as ``thresholds.json``.

    The scores of the run, and so every comparison, stay those of the threshold in its configuration.

    Returns:
        what was written: thresholds, and mean Dice before and after by cross-validation over patients.
    """
    rows = run.films()
    curves = []
    for done, found in enumerate(predict_films(run.network, rows, run.store, run.config.threshold), 1):
        curves.append(dice_curves(found.logits, found.scale, true_plane(run.reader, found.row, run.classes)))
        progress(done)
    tuned = choose(np.stack(curves), [row.group for row in rows], run.config.threshold)
    classes = [
        {"name": name, "threshold": t, "dice_before": _plain(b), "dice_after": _plain(a)}
        for name, t, b, a in zip(run.classes, tuned.thresholds, tuned.before, tuned.after, strict=True)
    ]
    made = {
        "thresholds": dict(zip(run.classes, tuned.thresholds, strict=True)),
        "gain": round(tuned.gain, 6),
        "n_films": len(rows),
        "classes": classes,
    }
    write_atomically(run.path / "thresholds.json", json.dumps(made, indent=1).encode() + b"\n")
    return made


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
