"""Simulated arms: patient-level Dice of two arms with known seed, patient and residual variance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Scenario:
    """What two arms look like. Standard deviations are in Dice, per bone before ``spread``.

    Attributes:
        patients, seeds, folds, classes: counts.
        seed_sd: of a training's own effect on a bone (seed in arm, fold by fold).
        shared: share of the seed's variance that a seed keeps in every fold (same initial weights).
        common: share of the seed's variance that all bones of one training have in common.
        patient_sd: of a patient's bone over all trainings; cancels in pairs.
        response_sd: of the arm's effect from patient to patient.
        residual_sd: of one training on one patient.
        missed: chance that one training misses a patient's bone altogether (Dice 0).
        spread: bones differ: their standard deviations are multiplied by factors from 1/spread to spread.
        delta: true difference, arm B less arm A, in every bone.
        nested: every fold has seeds of its own, and the report knows it; else a seed runs over all folds.
    """

    patients: int = 80
    seeds: int = 3
    folds: int = 1
    classes: int = 29
    seed_sd: float = 0.003
    shared: float = 0.0
    common: float = 0.5
    patient_sd: float = 0.03
    response_sd: float = 0.005
    residual_sd: float = 0.01
    missed: float = 0.0
    spread: float = 2.0
    delta: float = 0.0
    nested: bool = False

    def but(self, **changes) -> Scenario:
        """This scenario with some fields changed."""
        return replace(self, **changes)


def draw(scenario: Scenario, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One experiment.

    Returns:
        Dice of arm A and arm B, float64 (seeds, patients, classes), and each patient's fold, int (patients,).
        Not clipped to [0, 1]: the means stay what they were drawn as; only a missed bone changes them, alike in both.
    """
    s, n, k, f = scenario.seeds, scenario.patients, scenario.classes, scenario.folds
    fold = np.arange(n) % f
    factor = scenario.spread ** np.linspace(-1, 1, k)
    base = 0.95 - 0.02 * factor
    patient = base + scenario.patient_sd * factor * rng.normal(size=(n, k))
    arms = []
    for effect in (0.0, scenario.delta):
        mean = patient + effect + scenario.response_sd / np.sqrt(2) * factor * rng.normal(size=(n, k))
        run = sum(
            np.sqrt(across * within) * rng.normal(size=(s, f if per_fold else 1, k if own else 1))
            for per_fold, across in ((True, 1 - scenario.shared), (False, scenario.shared))
            for own, within in ((True, 1 - scenario.common), (False, scenario.common))
        )
        noise = scenario.residual_sd * factor * rng.normal(size=(s, n, k))
        dice = mean + (scenario.seed_sd * factor * run)[:, fold if run.shape[1] > 1 else np.zeros(n, int)] + noise
        dice[rng.random(size=dice.shape) < scenario.missed] = 0.0
        arms.append(dice)
    return arms[0], arms[1], fold
