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
        seeds_b: seeds of arm B, where it has other than ``seeds``. unlike: arm B's seed SD, as a multiple of A's.
        tails: degrees of freedom of the seed effects' t distribution, scaled to the same SD; 0: normal.
        lost, lost_bones: chance that a training loses a bone in all patients, of the first so many bones.
        skew: of the arm's effect from patient to patient: shape of a lognormal, of the same SD; 0: normal.
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
    seeds_b: int = 0
    unlike: float = 1.0
    tails: float = 0.0
    lost: float = 0.0
    lost_bones: int = 5
    skew: float = 0.0

    def but(self, **changes) -> Scenario:
        """This scenario with some fields changed."""
        return replace(self, **changes)


def draw(scenario: Scenario, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One experiment.

    Returns:
        Dice of arm A and arm B, float64 (seeds, patients, classes), and each patient's fold, int (patients,).
        Not clipped to [0, 1]: the means stay what they were drawn as; only a missed bone changes them, alike in both.
    """
    n, k, f = scenario.patients, scenario.classes, scenario.folds

    def effects(*size: int) -> np.ndarray:
        if not scenario.tails:
            return rng.normal(size=size)
        return rng.standard_t(scenario.tails, size=size) * np.sqrt((scenario.tails - 2) / scenario.tails)

    def responses() -> np.ndarray:
        if not scenario.skew:
            return rng.normal(size=(n, k))
        drawn, v = np.exp(scenario.skew * rng.normal(size=(n, k))), np.exp(scenario.skew**2)
        return (np.sqrt(v) - drawn) / np.sqrt((v - 1) * v)

    fold = np.arange(n) % f
    factor = scenario.spread ** np.linspace(-1, 1, k)
    base = 0.95 - 0.02 * factor
    patient = base + scenario.patient_sd * factor * rng.normal(size=(n, k))
    arms = []
    for effect, s, seed_sd in (
        (0.0, scenario.seeds, scenario.seed_sd),
        (scenario.delta, scenario.seeds_b or scenario.seeds, scenario.seed_sd * scenario.unlike),
    ):
        # a skewed response is B's alone: two of a kind would cancel their skewness
        share = np.sqrt(0.5) if not scenario.skew else float(bool(arms))
        mean = patient + effect + share * scenario.response_sd * factor * responses()
        run = sum(
            np.sqrt(across * within) * effects(s, f if per_fold else 1, k if own else 1)
            for per_fold, across in ((True, 1 - scenario.shared), (False, scenario.shared))
            for own, within in ((True, 1 - scenario.common), (False, scenario.common))
        )
        noise = scenario.residual_sd * factor * rng.normal(size=(s, n, k))
        dice = mean + (seed_sd * factor * run)[:, fold if run.shape[1] > 1 else np.zeros(n, int)] + noise
        dice[rng.random(size=dice.shape) < scenario.missed] = 0.0
        if scenario.lost:
            gone = rng.random(size=(s, scenario.lost_bones)) < scenario.lost
            dice[:, :, : scenario.lost_bones] *= ~gone[:, None]
        arms.append(dice)
    return arms[0], arms[1], fold
