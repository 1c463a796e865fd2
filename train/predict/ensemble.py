"""``train ensemble``: how well runs do together, way by way, film after film."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from curate import terminal
from curate.errors import UsageError
from curate.sample.image import background_level
from curate.sample.warp import Film
from train import accelerator
from train.evaluate import true_plane
from train.predict.members import Member, find_members, mean_dice, shares
from train.predict.predictor import METHODS, Predictor, combine, majority
from train.progress import Reporter
from train.reopen import OpenRun, open_run
from train.scores import ScoreRow, read_scores, score_planes
from train.upscale import plane_of_logits


def ensemble_command(runs: Sequence[Path], data: Path | None, tta: Sequence[str], tuned: bool, as_json: bool) -> int:
    """Print the mean Dice of every member and of every way of putting them together."""
    members = find_members(runs, accelerator.device(), tuned)
    if len(members) < 2:
        raise UsageError("ensemble", "needs at least two runs")
    opened = open_run(members[0].path, data)
    for member in members[1:]:
        other = open_run(member.path, data)
        if other.record["evaluation"] != opened.record["evaluation"]:
            raise UsageError(member.path, f"was evaluated on other films than {members[0].path}")
    rows = opened.films()
    with Reporter().task("scoring", len(rows)) as task:
        table = score_ways(members, opened, tta, task)
    found = [{"name": name, "dice": mean_over_classes(np.stack(dice))} for name, dice in table.items()]
    if as_json:
        terminal.print_json({"n_films": len(rows), "members": len(members), "ways": found})
        return 0
    terminal.print_table("", ["way", "mean Dice"], [[way["name"], f"{way['dice']:.4f}"] for way in found])
    return 0


def score_ways(
    members: Sequence[Member], opened: OpenRun, tta: Sequence[str] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, list[np.ndarray]]:  # fmt: skip
    """Dice of each member and of each way of putting them together, on the films that they were evaluated on.

    Each member predicts each film once. Weights, and the choice by class, are those of the other patients' films, so
    that a film is never predicted with what was learnt from it; where there is one patient, they are left out.

    Returns:
        way -> a film each: float64 (classes,), NaN where undefined.
    """
    scores = [_scores_of(member) for member in members]
    names = [f"{m.path.parent.parent.name}/{m.path.name}" for m in members]
    rows = opened.films()
    methods = [name for name in METHODS if name in _possible(members, {row.group for row in rows})]
    table: dict[str, list[np.ndarray]] = {name: [] for name in (*names, *methods)}
    n = len(opened.classes)
    for done, row in enumerate(rows, 1):
        gray, truth = opened.reader.image(row.id), true_plane(opened.reader, row, opened.classes)
        others = [
            replace(member, dice=mean_dice(table_of, member.classes, frozenset([row.group])))
            for member, table_of in zip(members, scores, strict=True)
        ]
        for name, plane in zip(table, _ways(others, gray, tta, methods), strict=True):
            found = score_planes(plane, truth, n, boundary=False)
            table[name].append(np.array([score.dice for score in found]))
        progress(done)
    return table


def _possible(members: Sequence[Member], patients: set[str]) -> set[str]:
    """The ways that can be judged: those that learn from other patients need some, and grids that mix."""
    if len({member.patch > 0 for member in members}) > 1:
        return {"hard"}
    return set(METHODS) if len(patients) > 1 else {"soft", "hard"}


def _ways(members: Sequence[Member], gray: np.ndarray, tta: Sequence[str], methods: Sequence[str]) -> list[np.ndarray]:
    """The planes of one film: each member's, then each way's; whole films go through each network once."""
    on, n = accelerator.device(), len(members[0].classes)
    if any(member.patch for member in members):  # their logits are too large to keep
        planes = [Predictor([member], on, tta=tta).plane(gray) for member in members]
        mixed = {m: Predictor(members, on, m, tta).plane(gray) for m in methods if m != "hard"}
    else:
        film, size = Film(gray, background_level(gray)), (gray.shape[1], gray.shape[0])
        predictor = Predictor(members, on, "soft", tta)
        logits = [predictor.logits(film, member) for member in members]
        planes = [
            plane_of_logits(found, scale, size, member.thresholds)
            for (found, scale), member in zip(logits, members, strict=True)
        ]
        mixed = {m: combine(logits, members, shares(members, m), size) for m in methods if m != "hard"}
    return [*planes, *(majority(planes, n) if method == "hard" else mixed[method] for method in methods)]


def _scores_of(member: Member) -> list[ScoreRow]:
    path = member.path / "scores.csv"
    return read_scores(path) if path.is_file() else []


def mean_over_classes(dice: np.ndarray) -> float:
    """Mean over classes of the mean over films, NaN left out: float (films, classes) -> a number."""
    held = np.isfinite(dice)
    per_class = np.where(held, dice, 0).sum(0)[held.any(0)] / held.sum(0)[held.any(0)]
    return float(per_class.mean()) if per_class.size else math.nan
