"""From scores by film to tables by patient: films are nested in patients, and the patient is the unit."""

from __future__ import annotations

import numpy as np

from train.compare.arm import Arm
from train.compare.estimate import Difference, difference


class Patients:
    """The patients of an evaluation set.

    Args:
        groups: each film's patient. fold_of: each film's fold.

    Attributes:
        names: patients, sorted. of_film: int (n_images,), index into ``names``. fold: int (n_patients,).
    """

    def __init__(self, groups: tuple[str, ...], fold_of: np.ndarray):
        self.names, first, self.of_film = np.unique(np.array(groups), return_index=True, return_inverse=True)
        self.fold = fold_of[first]

    def means(self, values: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Mean over each patient's films.

        Args:
            values: float64 (seeds, n_images, classes). held: bool (n_images, classes), films that count.

        Returns:
            float64 (seeds, n_patients, classes); NaN for a patient with no such film.
        """
        n, shape = len(self.names), values.shape
        total = np.zeros((shape[0], n, shape[2]))
        counted = np.zeros((n, shape[2]))
        np.add.at(counted, self.of_film, held)
        for seed in range(shape[0]):
            np.add.at(total[seed], self.of_film, np.where(held, values[seed], 0.0))
        with np.errstate(invalid="ignore"):
            return np.where(counted > 0, total / np.maximum(counted, 1), np.nan)


def macro(by_patient: np.ndarray, members: list[int]) -> np.ndarray:
    """Mean over some classes, each patient over those that it has.

    Args:
        by_patient: float64 (seeds, n_patients, classes), NaN where a patient lacks a class.

    Returns:
        float64 (seeds, n_patients); NaN for a patient with none of them.
    """
    part = by_patient[:, :, members]
    held = ~np.isnan(part)
    count = held.sum(axis=2)
    return np.where(count > 0, np.where(held, part, 0.0).sum(axis=2) / np.maximum(count, 1), np.nan)


def ordered_like(first: Arm, other: Arm, metric: str) -> np.ndarray:
    """A metric of the other arm with its classes in the order of the first: float64 (seeds, n_images, classes)."""
    return other.scores[metric][:, :, [other.classes.index(c) for c in first.classes]]


def bounded(ci: tuple[float, float]) -> tuple[float, float]:
    """An interval of a difference of scores between 0 and 1, without what cannot be."""
    return float(np.clip(ci[0], -1, 1)), float(np.clip(ci[1], -1, 1))


def estimate(a: np.ndarray, b: np.ndarray, fold: np.ndarray | None) -> Difference:
    """The difference of two tables, float64 (seeds, n_patients), over the patients that have a value.

    Args:
        fold: int (n_patients,), where every fold has seeds of its own; else ``None``.
    """
    held = ~np.isnan(a[0])
    return difference(a[:, held], b[:, held], None if fold is None else fold[held])
