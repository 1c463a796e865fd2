"""Reading run folders: ``run.json`` and ``scores.csv``, whichever tool wrote them."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curate.errors import CarpusError, UsageError
from train.scores import read_scores

#: What ``run.json`` may say of how far the run came; anything else is a run that did not finish.
FINISHED = {"finished", "done", "complete", "completed", "ok"}
METRICS = ("dice", "nsd", "hd95", "nsd_mm")
#: Files that a run under way leaves behind before it has scores.
_BEGUN = {"log.csv", "resume.ckpt", "model.pt"}


@dataclass(frozen=True, eq=False)
class Run:
    """One training of one version, scored on its evaluation films.

    Attributes:
        path: the run folder.
        record: all of ``run.json``.
        seed, fold: as recorded; ``None`` where another tool did not say.
        classes: class names, in the order of ``run.json``.
        images: evaluation films, sorted by id.
        groups: the patient of each film.
        present: bool (n_images, n_classes), the truth holds the bone.
        scores: metric name to float64 (n_images, n_classes); NaN where undefined. Always has ``dice``.
    """

    path: Path
    record: dict
    seed: int | str | None
    fold: int | str | None
    classes: tuple[str, ...]
    images: tuple[str, ...]
    groups: tuple[str, ...]
    present: np.ndarray
    scores: dict[str, np.ndarray]


def find_runs(folder: Path) -> list[Path]:
    """The run folders of one arm: the folder itself, or every folder below it that holds ``run.json``, sorted.

    Raises:
        UsageError: no such folder, or no run in it.
        CarpusError: a run below was begun and not finished: leaving it out unasked could favour an arm.
    """
    if not folder.is_dir():
        raise UsageError(folder, "no such folder")
    found = []
    for where, below, files in os.walk(folder):
        below.sort()
        if "run.json" in files or "scores.csv" in files:
            below.clear()  # a run's own folders are not runs
            found.append(Path(where))
        elif _BEGUN.intersection(files):
            raise CarpusError(where, "the run did not finish: finish it, or move it out of the arm's folder")
    if not found:
        raise UsageError(folder, "neither a run folder (run.json, scores.csv) nor a folder of run folders")
    return sorted(found)


def read_run(path: Path) -> Run:
    """Read one run folder and check it against itself.

    Raises:
        CarpusError: a file missing or broken, a run that did not finish, rows missing or twice, a film with two
            patients, NaN for a bone that is present; names the folder and the fault.
    """
    record = _record(path)
    status = record.get("status")
    if record.get("finished") is False or (status is not None and str(status).lower() not in FINISHED):
        raise CarpusError(path, f"the run did not finish (status: {status or 'not finished'})")
    if not (path / "scores.csv").is_file():
        raise CarpusError(path, "the run did not finish: it has no scores.csv")
    classes, evaluation = _names(path, record, "classes"), _names(path, record, "evaluation")
    images = tuple(sorted(evaluation))
    row_of, column_of = {x: i for i, x in enumerate(images)}, {c: i for i, c in enumerate(classes)}
    shape = (len(images), len(classes))
    scores = {m: np.full(shape, math.nan) for m in METRICS}
    present, seen = np.zeros(shape, bool), np.zeros(shape, bool)
    groups: list[str | None] = [None] * len(images)
    table = path / "scores.csv"
    for row in read_scores(table):
        i, k = row_of.get(row.image), column_of.get(row.label)
        if i is None:
            raise CarpusError(table, f"{row.image} is not among the evaluation films of run.json")
        if k is None:
            raise CarpusError(table, f"class {row.label!r} is not among the classes of run.json")
        if seen[i, k]:
            raise CarpusError(table, f"two rows for {row.label} on {row.image}")
        if groups[i] is not None and groups[i] != row.group:
            raise CarpusError(table, f"{row.image} belongs to two patients, {groups[i]} and {row.group}")
        if not row.group:
            raise CarpusError(table, f"{row.image} has no group: the patient is the unit of the comparison")
        groups[i], seen[i, k], present[i, k] = row.group, True, row.present
        for metric in METRICS:
            scores[metric][i, k] = getattr(row, metric)
    if not seen.all():
        i, k = np.argwhere(~seen)[0]
        n = int((~seen).sum())
        raise CarpusError(table, f"{n} rows missing, the first {classes[k]} on {images[i]}: the run did not finish")
    return Run(
        path, record, record.get("seed"), record.get("fold"), classes, images,
        tuple(g or "" for g in groups), present, scores,
    )  # fmt: skip


def _record(path: Path) -> dict:
    file = path / "run.json"
    try:
        record = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise CarpusError(path, "no run.json") from None
    except (ValueError, RecursionError) as error:
        raise CarpusError(file, f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise CarpusError(file, "not a JSON object")
    return record


def _names(path: Path, record: dict, key: str) -> tuple[str, ...]:
    names = record.get(key)
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise CarpusError(path / "run.json", f"{key!r} must be a list of names")
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise CarpusError(path / "run.json", f"{key!r} names {twice} twice")
    return tuple(names)
