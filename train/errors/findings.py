"""What runs got wrong, from their scores: bones, films, and films out of line; no network is needed for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import UsageError
from curate.manifest.row import SampleRow
from train.compare.runs import find_runs
from train.errors.outliers import Outlier, find_outliers
from train.reopen import find_version
from train.runs import read_record
from train.scores import read_scores


@dataclass(frozen=True, eq=False)
class Findings:
    """Scores of some runs on films that they were not trained on.

    Attributes:
        runs: their folders. records: ``run.json`` of each. version: that they were trained on, of the manifest.
        classes: names in the order of the bits.
        films: the evaluation films, sorted by id. run_of: for each, the index of the first run that was scored on it.
        present: bool (films, classes), the film shows the bone.
        dice: float (films, classes), mean over the seeds; NaN where a bone is in neither mask.
        outliers: films out of line, the furthest first. rate: of false alarms a film.
    """

    runs: tuple[Path, ...]
    records: tuple[dict[str, Any], ...]
    version: Any
    classes: tuple[str, ...]
    films: tuple[SampleRow, ...]
    run_of: tuple[int, ...]
    present: np.ndarray
    dice: np.ndarray
    outliers: tuple[Outlier, ...]
    rate: float

    def film_means(self) -> np.ndarray:
        """Mean Dice of each film over its bones: float (films,); NaN where it has no score."""
        return _mean(self.dice, 1)

    def bone_means(self) -> np.ndarray:
        """Mean Dice of each bone over films: float (classes,)."""
        return _mean(self.dice, 0)

    def worst_bones(self, film: int, most: int = 3) -> list[int]:
        """The bones of a film with the lowest Dice, lowest first."""
        order = np.argsort(np.nan_to_num(self.dice[film], nan=2.0), kind="stable")
        return [int(k) for k in order[:most] if math.isfinite(self.dice[film, k])]


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    held = np.isfinite(values)
    total, n = np.where(held, values, 0).sum(axis), held.sum(axis)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def inspect_runs(paths: Sequence[Path], manifest: Path | None = None, rate: float = 0.01) -> Findings:
    """Collect the scores of runs: seeds of a fold are averaged, folds stand side by side.

    Args:
        paths: run folders, or folders of them. manifest: where the data set is, when not where the runs say.
        rate: of false alarms a film, below 0.05.

    Raises:
        CarpusError: no run there, or one that is not finished or not of the same version and classes as the first.
        UsageError: a film that was scored is not out of fold; or no film was.
    """
    if not 0 < rate < 0.05:
        raise UsageError("--false-alarms", f"{rate} is no share between 0 and 0.05")
    folders = tuple(dict.fromkeys(run for path in paths for run in find_runs(Path(path))))
    records = tuple(read_record(folder) for folder in folders)
    version = find_version(folders[0], records[0], manifest)
    classes = tuple(records[0]["classes"])
    tables: dict[str, list[np.ndarray]] = {}
    present: dict[str, np.ndarray] = {}
    run_of: dict[str, int] = {}
    for k, (folder, record) in enumerate(zip(folders, records, strict=True)):
        for what, name in (("digest", "another version"), ("classes", "another list of classes")):
            if record.get(what) != records[0].get(what):
                raise UsageError(folder, f"is of {name} than {folders[0]}")
        _check_out_of_fold(folder, record, version)
        bit = {name: j for j, name in enumerate(classes)}
        dice = {name: np.full(len(classes), np.nan) for name in record["evaluation"]}
        for row in read_scores(folder / "scores.csv"):
            if row.image not in dice or row.label not in bit:
                raise UsageError(folder / "scores.csv", f"{row.image}, {row.label}: not what run.json says was scored")
            dice[row.image][bit[row.label]] = row.dice
            present.setdefault(row.image, np.zeros(len(classes), bool))[bit[row.label]] = row.present
        for name, values in dice.items():
            tables.setdefault(name, []).append(values)
            run_of.setdefault(name, k)
    names = sorted(tables)
    if not names:
        raise UsageError(folders[0], "was scored on no film")
    dice = np.stack([_mean(np.stack(tables[name]), 0) for name in names])
    return Findings(
        folders, records, version, classes, tuple(version.by_id[name] for name in names),
        tuple(run_of[name] for name in names),
        np.stack([present.get(name, np.zeros(len(classes), bool)) for name in names]),
        dice, tuple(find_outliers(dice, rate)), rate,
    )  # fmt: skip


def _check_out_of_fold(folder: Path, record: dict[str, Any], version: Any) -> None:
    """A run's films must be of the fold that it was not trained on, by the split that it names.

    Raises:
        UsageError: names the first that is not.
    """
    same = record.get("split_digest") == version.split_digest
    for name in record["evaluation"]:
        row = version.by_id.get(name)
        if row is None:
            raise UsageError(folder, f"its evaluation film {name} is not in {version.name}")
        if not row.is_original or (same and row.fold != record.get("fold")):
            raise UsageError(folder, f"its evaluation film {name} is not out of fold, and so tells nothing")
