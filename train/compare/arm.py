"""One arm of a comparison: the runs of one version with one config, as one table of seeds by films by classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curate.errors import CarpusError
from train.compare.runs import METRICS, Run, find_runs, read_run
from train.scores import pixel_size


@dataclass(frozen=True, eq=False)
class Arm:
    """The runs of one arm, put together.

    Attributes:
        path: the folder that was named.
        runs: every run read, sorted by folder.
        seeds: label of each replicate. A replicate is one complete set of scores: one seed, over all folds.
        folds: label of each evaluation fold.
        classes: class names.
        images: films of all folds, sorted; ``groups`` their patients; ``fold_of`` their fold, an index into ``folds``.
        nested: no seed was used in two folds, so that the folds' trainings are independent of each other.
        present: bool (n_images, n_classes).
        scores: metric to float64 (n_seeds, n_images, n_classes).
        notes: what a reader should know, such as a seed that was counted once.
    """

    path: Path
    runs: tuple[Run, ...]
    seeds: tuple[str, ...]
    folds: tuple[str, ...]
    classes: tuple[str, ...]
    images: tuple[str, ...]
    groups: tuple[str, ...]
    fold_of: np.ndarray
    nested: bool
    present: np.ndarray
    scores: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()

    @property
    def pixel_mm(self) -> np.ndarray:
        """Millimetres a pixel of each film, float64 (n_images,); NaN where no run says."""
        told: dict[str, float] = {}
        for run in self.runs:
            sizes = run.record.get("pixel_mm")
            told |= sizes if isinstance(sizes, dict) else {}
        return np.array([pixel_size({"pixel_mm": told.get(image)}) or np.nan for image in self.images])

    @property
    def record(self) -> dict:
        """``run.json`` of the first run: what all runs of the arm share is read from it."""
        return self.runs[0].record


def read_arm(path: Path) -> Arm:
    """Read a run folder, or a folder of run folders, as one arm.

    Runs that were evaluated on the same films are replicates (seeds) of one fold; sets of films that differ are folds
    and must share neither film nor patient. Every seed must be there in every fold.

    Raises:
        CarpusError: a run cannot be read, the runs are not of one version and config, a seed lacks a fold, two runs
            claim one seed and fold, folds overlap; names the run and the difference.
    """
    runs = [read_run(p) for p in find_runs(path)]
    _one_arm(runs)
    folds = _folds(runs)
    labels = {name: _seed_labels(members) for name, members in folds.items()}
    seeds, nested = _complete(path, folds, labels)
    classes = runs[0].classes
    order, parts = [], []
    for index, (name, members) in enumerate(folds.items()):
        by_seed = dict(zip(labels[name], members, strict=True))
        chosen = members if nested else [by_seed[s] for s in seeds]
        columns = [[r.classes.index(c) for c in classes] for r in chosen]
        first = chosen[0]
        order += [(image, group, index) for image, group in zip(first.images, first.groups, strict=True)]
        present = first.present[:, columns[0]]
        scores = {
            m: np.stack([r.scores[m][:, c] for r, c in zip(chosen, columns, strict=True)]) for m in METRICS
        }
        parts.append((present, scores))
    sort = sorted(range(len(order)), key=lambda i: order[i][0])
    scores = {m: np.concatenate([p[1][m] for p in parts], axis=1)[:, sort] for m in METRICS}
    fold_of = np.array([order[i][2] for i in sort])
    keep, notes = _distinct(seeds, scores["dice"], fold_of)
    return Arm(
        path=path,
        runs=tuple(runs),
        seeds=tuple(seeds[i] for i in keep),
        folds=tuple(folds),
        classes=classes,
        images=tuple(order[i][0] for i in sort),
        groups=tuple(order[i][1] for i in sort),
        fold_of=fold_of,
        nested=nested,
        present=np.concatenate([p[0] for p in parts])[sort],
        scores={m: s[keep] for m, s in scores.items()},
        notes=tuple(notes),
    )


def _one_arm(runs: list[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        for key in ("version", "digest"):
            if run.record.get(key) != first.record.get(key):
                raise CarpusError(
                    run.path,
                    f"{key} is {run.record.get(key)!r}, but {first.record.get(key)!r} in {first.path.name}: "
                    "one arm is one version",
                )
        if set(run.classes) != set(first.classes):
            told = only_in(run.classes, first.classes)
            raise CarpusError(run.path, f"other classes than {first.path.name}: {told}")


def _folds(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs by the films they were evaluated on, in order of fold; folds must not share a film or a patient."""
    by_films: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        by_films.setdefault(run.images, []).append(run)
    blocks = sorted(by_films.values(), key=lambda members: (str(members[0].fold), members[0].images))
    owner: dict[str, Run] = {}
    for members in blocks:
        first = members[0]
        for run in members[1:]:
            same_truth(run, first)
        for name in {*first.images, *(f"patient {g}" for g in first.groups)}:
            if name in owner:
                raise CarpusError(
                    first.path,
                    f"evaluated on other films than {owner[name].path.name}, yet both hold {name}: "
                    "seeds share all films of a fold, folds share none",
                )
            owner[name] = first
    names = [str(members[0].fold) for members in blocks]
    if len(set(names)) < len(names):  # another tool's runs may not say their fold
        names = [str(i) for i in range(len(blocks))]
    return dict(zip(names, blocks, strict=True))


def same_truth(run: Run, first: Run) -> None:
    """Refuse two runs over the same films that disagree on whose films they are or which bones they hold."""
    if run.groups != first.groups:
        i = next(i for i, (a, b) in enumerate(zip(run.groups, first.groups, strict=True)) if a != b)
        raise CarpusError(
            run.path, f"{run.images[i]} is of patient {run.groups[i]}, but of {first.groups[i]} in {first.path.name}"
        )
    columns = [run.classes.index(c) for c in first.classes]
    differ = np.argwhere(run.present[:, columns] != first.present)
    if len(differ):
        i, k = differ[0]
        raise CarpusError(
            run.path,
            f"{first.classes[k]} on {run.images[i]} is {'present' if not first.present[i, k] else 'absent'} here and "
            f"{'present' if first.present[i, k] else 'absent'} in {first.path.name}: the evaluation labels changed",
        )


def _seed_labels(members: list[Run]) -> list[str]:
    seeds = [run.seed for run in members]
    if None not in seeds and len(set(map(str, seeds))) == len(seeds):
        return [str(s) for s in seeds]
    if all(s is None for s in seeds):  # another tool's runs: every folder is a training of its own
        return [run.path.name for run in members]
    both = [f"{run.seed}/{run.fold}" for run in members]  # folds of training that share one set of evaluation films
    twice = next((label for label, n in Counter(both).items() if n > 1), None)
    if twice is not None:
        claim = [run.path.name for run, label in zip(members, both, strict=True) if label == twice]
        raise CarpusError(members[0].path.parent, f"{claim[0]} and {claim[1]} claim the same seed and fold, {twice}")
    return both


def _complete(path: Path, folds: dict[str, list[Run]], labels: dict[str, list[str]]) -> tuple[list[str], bool]:
    """Labels of the replicates, and whether every fold has seeds of its own."""
    used = Counter(s for names in labels.values() for s in names)
    if len(folds) > 1 and max(used.values()) == 1:
        counts = {name: len(members) for name, members in folds.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{n} for fold {name}" for name, n in counts.items())
            raise CarpusError(path, f"other numbers of runs from fold to fold: {told}")
        return [str(i) for i in range(next(iter(counts.values())))], True
    every = sorted(used, key=lambda s: (len(s), s))
    for name in folds:
        for seed in every:
            if seed not in labels[name]:
                raise CarpusError(path, f"no run of seed {seed} for fold {name}: every seed must cover every fold")
    return every, False


def _distinct(seeds: list[str], dice: np.ndarray, fold_of: np.ndarray) -> tuple[list[int], list[str]]:
    """A copied run is no second seed: replicates with the same scores to the last digit, in any fold, count once."""
    keep: list[int] = []
    notes = []
    blocks = [fold_of == f for f in np.unique(fold_of)]
    for i in range(len(seeds)):
        twin = next((j for j in keep if any(same_training(dice[i][m], dice[j][m]) for m in blocks)), None)
        if twin is None:
            keep.append(i)
        else:
            notes.append(f"seeds {seeds[twin]} and {seeds[i]} have the same scores to the last digit: counted as one")
    return keep, notes


def same_training(one: np.ndarray, other: np.ndarray) -> bool:
    """Two tables of Dice are equal to the last digit, and not because nothing was found, or all of it."""
    return bool(((one > 0) & (one < 1)).any()) and np.array_equal(one, other, equal_nan=True)


def only_in(a: tuple[str, ...], b: tuple[str, ...], most: int = 3) -> str:
    """What one list has and the other lacks, in a few words."""
    parts = []
    for mine, others, where in ((a, b, "only in the first"), (b, a, "only in the second")):
        only = sorted(set(mine) - set(others))
        if only:
            more = f" and {len(only) - most} more" if len(only) > most else ""
            parts.append(f"{', '.join(only[:most])}{more} {where}")
    return "; ".join(parts)
