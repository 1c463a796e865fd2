"""What the commands beside the main one do with finished runs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from curate import terminal
from curate.errors import CarpusError, UsageError
from curate.files import write_atomically
from train.evaluate import evaluate, true_plane
from train.fit import device
from train.output import write_predictions
from train.predict import METHODS, Predictor, find_members, find_pictures, predict_pictures
from train.progress import Reporter
from train.reopen import OpenRun, open_run
from train.scores import score_planes, write_scores
from train.thresholds import tune_thresholds

LOOKS = "test-looks.jsonl"
"""Beside the runs: one line for each time that test films were scored."""


def predict_command(
    paths: Sequence[Path], out: Path, kind: str | None, method: str, tta: Sequence[str], tuned: bool, as_json: bool
) -> int:
    """``train predict``: exit code 2 when a picture could not be read, though the others were predicted."""
    if len(paths) < 2:
        raise UsageError("predict", "needs RUN... IMAGES: at least one run, and last the pictures")
    *runs, place = paths
    if kind is None:
        if out.suffix.lower() != ".csv":
            raise UsageError("--format", f"{out} is no .csv file: name the format to write there")
        kind = "csv"
    if not place.exists():
        raise UsageError(place, "no such file or folder")
    pictures = find_pictures(place)
    predictor = Predictor(find_members(runs, device(), tuned), device(), method, tta)
    refused: list[CarpusError] = []
    with Reporter().task("predicting", len(pictures)) as task:
        found = predict_pictures(predictor, pictures, refused)
        done = write_predictions(found, predictor.classes, out, kind, place if place.is_dir() else place.parent, task)
    for error in refused:
        terminal.fail(error, as_json)
    if as_json:
        runs_used = [str(member.path) for member in predictor.members]
        terminal.print_json({"out": str(out), "format": kind, "n": done, "refused": len(refused), "runs": runs_used})
    else:
        terminal.say(f"{done} pictures predicted by {len(predictor.members)} runs: {out}")
    return 2 if refused else 0


def ensemble_command(runs: Sequence[Path], data: Path | None, tta: Sequence[str], tuned: bool, as_json: bool) -> int:
    """``train ensemble``: the mean Dice of every member and of every way of putting them together."""
    members = find_members(runs, device(), tuned)
    if len(members) < 2:
        raise UsageError("ensemble", "needs at least two runs")
    opened = open_run(members[0].path, data)
    for member in members[1:]:
        other = open_run(member.path, data)
        if other.record["evaluation"] != opened.record["evaluation"]:
            raise UsageError(member.path, f"was evaluated on other films than {members[0].path}")
    ways = {f"{m.path.parent.parent.name}/{m.path.name}": Predictor([m], device(), "soft", tta) for m in members}
    ways |= {method: Predictor(members, device(), method, tta) for method in METHODS}
    table: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    rows = opened.films()
    with Reporter().task("scoring", len(rows)) as task:
        for done, row in enumerate(rows, 1):
            gray, truth = opened.reader.image(row.id), true_plane(opened.reader, row, opened.classes)
            for name, predictor in ways.items():
                scores = score_planes(predictor.plane(gray), truth, len(opened.classes), boundary=False)
                table[name].append(np.array([score.dice for score in scores]))
            task(done)
    found = [{"name": name, "dice": _mean_dice(np.stack(dice))} for name, dice in table.items()]
    if as_json:
        terminal.print_json({"n_films": len(rows), "members": len(members), "ways": found})
        return 0
    terminal.print_table("", ["way", "mean Dice"], [[way["name"], f"{way['dice']:.4f}"] for way in found])
    return 0


def _mean_dice(dice: np.ndarray) -> float:
    """Mean over classes of the mean over films, NaN left out."""
    held = np.isfinite(dice)
    per_class = np.where(held, dice, 0).sum(0)[held.any(0)] / held.sum(0)[held.any(0)]
    return float(per_class.mean()) if per_class.size else math.nan


def thresholds_command(run: Path, data: Path | None, as_json: bool) -> int:
    """``train thresholds``."""
    opened = open_run(run, data)
    with Reporter().task("thresholds", len(opened.record["evaluation"])) as task:
        made = tune_thresholds(opened, task)
    if as_json:
        terminal.print_json(made)
        return 0
    rows = [[c["name"], c["threshold"], c["dice_before"], c["dice_after"]] for c in made["classes"]]
    columns = ["bone", "threshold", f"Dice at {opened.config.threshold}", "Dice on other patients"]
    terminal.print_table("", columns, rows)
    terminal.say(f"gain in mean Dice, cross-validated over patients: {made['gain']:+.4f} ({made['n_films']} films)")
    if made["gain"] <= 0:
        terminal.say("no gain: the thresholds stay as they were")
    return 0


def evaluate_command(run: Path, split: str, data: Path | None, as_json: bool) -> int:
    """``train evaluate``: scores in the run's ``test`` folder, and a line in the book of looks."""
    if split not in ("test", "validation"):
        raise UsageError("--split", f"{split!r} is none of: test, validation")
    opened = open_run(run, data)
    rows = opened.films(split)
    out = Path(run) / split
    looks = _note_look(opened, len(rows)) if split == "test" else 0
    with Reporter().task(f"scoring {split} films", len(rows)) as task:
        config = opened.config
        scored = evaluate(
            opened.network, rows, opened.store, opened.reader, threshold=config.threshold,
            keep=out / "predictions", keep_size=config.predictions, progress=task,
        )  # fmt: skip
    out.mkdir(exist_ok=True)
    write_scores(out / "scores.csv", scored)
    record = {**opened.record, "evaluation": [row.id for row in rows], "scored_split": split}
    record["manifest"] = os.path.relpath(opened.version.manifest.path, out)
    write_atomically(out / "run.json", json.dumps(record, indent=1).encode() + b"\n")
    dice = [[row.dice for row in scored if row.label == name] for name in opened.classes]
    mean = _mean_dice(np.array(dice).T)
    if as_json:
        facts: dict[str, Any] = {"split": split, "n_films": len(rows), "dice": mean, "scores": str(out / "scores.csv")}
        terminal.print_json({**facts, "looks": looks})
        return 0
    terminal.say(f"mean Dice over bones on {len(rows)} {split} films: {mean:.4f}; {out / 'scores.csv'}")
    if split == "test":
        times = "the first time" if looks == 1 else f"look number {looks}"
        terminal.say(f"recorded: this is {times} that runs here were scored on the test films")
    return 0


def _note_look(run: OpenRun, films: int) -> int:
    """Add a line to the book of looks before anything is scored; returns how many there are for this split."""
    book = run.store.folder.parent.parent / LOOKS
    entry = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "run": os.path.relpath(run.path, book.parent),
        "version": run.version.name,
        "digest": run.version.digest,
        "split_digest": run.version.split_digest,
        "films": films,
    }
    with book.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")
    lines = [json.loads(line) for line in book.read_text(encoding="utf-8").splitlines()]
    return sum(line.get("split_digest") == run.version.split_digest for line in lines)
