"""``train thresholds`` and ``train evaluate``: what they do with a finished run."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from curate import terminal
from curate.errors import UsageError
from curate.files import write_atomically
from train.evaluate import evaluate
from train.predict.ensemble import mean_over_classes
from train.predict.thresholds import tune_thresholds
from train.progress import Reporter
from train.reopen import OpenRun, open_run
from train.scores import write_scores

LOOKS = "test-looks.jsonl"
"""Beside the runs: one line for each time that test films were scored."""


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
    mean = mean_over_classes(np.array(dice).T)
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
