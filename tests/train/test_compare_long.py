"""Calibration at length: simulated experiments, and pairs drawn from a pool of real trainings."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from train.compare.estimate import difference, holm

STUDY = Path(__file__).parents[2] / "benchmarks/statistics"
POOL = STUDY / "pool.npz"


def alarm_and_coverage(a: np.ndarray, b: np.ndarray, truth: np.ndarray) -> tuple[bool, float]:
    """Whether an A/A report would name a bone, and the share of 95% intervals that hold the truth."""
    found = [difference(a[:, :, k], b[:, :, k]) for k in range(a.shape[2])]
    held = [low <= t <= high for t, (low, high) in zip(truth, (d.interval() for d in found), strict=True)]
    return bool(holm(np.array([d.strict_p for d in found])).min() <= 0.05), float(np.mean(held))


@pytest.mark.long
@pytest.mark.parametrize("change", [{}, {"seeds": 2}, {"patients": 20}, {"missed": 0.005}, {"folds": 5, "shared": 0.5}])
def test_simulated_experiments_keep_their_promises(change, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(STUDY), *sys.path])
    from simulate import Scenario, draw

    rng, reports = np.random.default_rng(77), 250
    results = []
    for _ in range(reports):
        a, b, _ = draw(Scenario().but(**change), rng)
        results.append(alarm_and_coverage(a, b, np.zeros(a.shape[2])))
    alarms, covered = np.mean(results, axis=0)
    assert alarms <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / reports)
    assert 0.93 <= covered <= 0.98


@pytest.mark.long
def test_pairs_of_real_trainings_raise_no_false_alarm():
    if not POOL.exists():
        pytest.skip("no pool of real trainings: benchmarks/statistics/pool.py makes one")
    with np.load(POOL) as pool:
        dice, groups = pool["dice"].astype(float), pool["groups"]
    held = ~np.isnan(dice[0]).any(axis=0)
    patients = np.unique(groups)
    table = np.stack([dice[:, groups == p][:, :, held].mean(axis=1) for p in patients], axis=1)
    rng, reports = np.random.default_rng(5), 300
    alarms = []
    for _ in range(reports):
        order = rng.permutation(len(table))
        alarms.append(alarm_and_coverage(table[order[:3]], table[order[3:6]], np.zeros(table.shape[2]))[0])
    assert np.mean(alarms) <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / reports)
