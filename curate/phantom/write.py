"""Writing a phantom data set: films, labels, the patients' table, and the truth."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from curate.errors import UsageError
from curate.sample.image import write_png

from .film import make_film
from .labels import label_file
from .layout import Name, film_name, patient_ids, write_metadata
from .oddities import Truth
from .patient import draw_patient
from .schedule import duplicate_source, plan_oddities

TRUTH_COLUMNS = ("image", "side", "fingers_deg", "oddity", "flag", "label", "x0", "y0", "x1", "y1", "params")
_PARTS = ("train", "meta_data.xlsx", "truth.csv")
_MIN_SIZE, _MAX_SIZE = 256, 4096


def write_phantom(
    out: str | os.PathLike,
    n: int = 80,
    size: int = 1024,
    seed: int = 0,
    progress: Callable[[Iterable, int], Iterable] = lambda films, total: films,
    share: float = 0.3,
    workers: int | None = None,
) -> None:
    """Write a data set of simulated hand radiographs in the competition's layout, with known truth.

    Writes ``train/DCM/IDnnn/image*.png``, ``train/outputs_json/IDnnn/image*.json``, ``meta_data.xlsx`` and
    ``truth.csv`` (columns ``TRUTH_COLUMNS``: a row for each planted oddity, and one row with an empty ``oddity`` for
    each plain film). They appear together when all is written.

    Args:
        out: the folder; made if it is missing. It must not hold a data set already.
        n: films, two a patient (right hand, then left).
        size: pixels along each side of the square films, 256 to 4096.
        seed: the same seed gives the same pixels; film k is the same for every n.
        progress: wraps the iteration over finished films, to show it.
        share: share of films with a planted oddity, in [0, 1].
        workers: processes; ``None`` for as many as there are processors. Changes no byte.

    Raises:
        UsageError: a number out of its range, or a folder that already holds a data set.
    """
    out = Path(out)
    _check(out, n, size, seed, share)
    plan = plan_oddities(seed, n, share)
    ids = patient_ids(seed, (n + 1) // 2)
    names = [film_name(seed, k, ids[k // 2]) for k in range(n)]
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".phantom-", dir=out))
    try:
        jobs = (delayed(_write_film)(scratch, seed, size, k, plan, names) for k in range(n))
        count = max(1, min(workers or os.cpu_count() or 1, n))
        rows = []
        for found in progress(Parallel(n_jobs=count, return_as="generator", batch_size=1)(jobs), n):
            rows += found
        nails = {k // 2 for k in range(n) if plan[k] == "nail-art"}
        people = [(ids[p], draw_patient(seed, p), p in nails) for p in range(len(ids))]
        write_metadata(scratch / "meta_data.xlsx", people, seed)
        _write_truth(scratch / "truth.csv", rows)
        for part in _PARTS:
            (scratch / part).rename(out / part)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # after a break, a worker may still be writing there


def _check(out: Path, n: int, size: int, seed: int, share: float) -> None:
    if n < 1:
        raise UsageError("--n", f"{n} films cannot be written; give 1 or more")
    if not _MIN_SIZE <= size <= _MAX_SIZE:
        raise UsageError("--size", f"{size} pixels; give {_MIN_SIZE} to {_MAX_SIZE}")
    if seed < 0:
        raise UsageError("--seed", f"{seed} is negative; give 0 or more")
    if not 0.0 <= share <= 1.0:
        raise UsageError("--share", f"{share} is no share; give 0 to 1")
    if out.exists() and not out.is_dir():
        raise UsageError(out, "is a file; give a folder")
    held = [part for part in _PARTS if (out / part).exists()]
    if held:
        raise UsageError(out, f"already holds {held[0]}; give another folder or remove it first")


def _write_film(root: Path, seed: int, size: int, k: int, plan: list[str | None], names: list[Name]) -> list[dict]:
    """Make and write film k; its rows of the truth table."""
    source = duplicate_source(seed, k, plan) if plan[k] == "duplicate" else k
    film = make_film(seed, source, size, plan[source])
    truths = list(film.truths)
    if source != k:
        truths.append(Truth("duplicate", params={"of": names[source].sample}))
    name = names[k]
    pixels, labels = root / "train" / "DCM" / name.folder, root / "train" / "outputs_json" / name.folder
    pixels.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    write_png(pixels / f"{name.stem}.png", film.image)
    rng = np.random.default_rng([seed, k // 2, k % 2, 11])
    content = json.dumps(label_file(film.labels, name.stem, name.folder, rng), ensure_ascii=False)
    (labels / f"{name.stem}.json").write_text(content, encoding="utf-8")
    common = {
        "image": name.sample,
        "side": "left" if film.left else "right",
        "fingers_deg": round(film.pose.rotation % 360.0, 1),
    }
    return [{**common, **_row(truth)} for truth in truths] or [common]


def _row(truth: Truth) -> dict:
    box = truth.box or ("", "", "", "")
    return {
        "oddity": truth.oddity,
        "flag": truth.flag,
        "label": truth.label,
        **dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)),
        "params": json.dumps(truth.params, sort_keys=True),
    }


def _write_truth(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, TRUTH_COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
