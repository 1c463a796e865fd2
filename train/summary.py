"""What the main command says at its end: a table for one version, the report for two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from curate import terminal
from train.compare.command import diff_command
from train.scores import read_scores

if TYPE_CHECKING:  # for the names alone: they bring torch with them
    from train.experiment import Experiment
    from train.fit.run import RunResult


def per_class(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Means of one arm over films and seeds, class by class.

    Returns:
        a dict a class: name, films it is on, mean Dice, NSD and HD95 (NaN where undefined), and the standard deviation
        of the mean Dice over seeds (NaN for one seed).
    """
    tables = [read_scores(result.folder.scores) for result in results]
    rows = []
    for name in results[0].record["classes"]:
        mine = [[row for row in table if row.label == name] for table in tables]
        means = [_mean([row.dice for row in table]) for table in mine]
        rows.append(
            {
                "name": name,
                "n_present": sum(row.present for row in mine[0]),
                "dice": _mean(means),
                "dice_seed_sd": float(np.std(means, ddof=1)) if len(means) > 1 else math.nan,
                "nsd": _mean([row.nsd for table in mine for row in table]),
                "hd95": _mean([row.hd95 for table in mine for row in table]),
            }
        )
    return rows


def _mean(values: Sequence[float]) -> float:
    held = [value for value in values if not math.isnan(value)]
    return float(np.mean(held)) if held else math.nan


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def finish(experiment: Experiment, as_json: bool) -> int:
    """Print what was found, and where it lies; returns the exit code."""
    if len(experiment.arms) == 2:
        first, other = experiment.arms
        name = f"{first.version.name}-against-{other.version.name}-fold{first.fold}"
        hashes = [folder.parent.name.rpartition("-")[2] for folder in experiment.folders]
        out = experiment.runs / "reports" / f"{name}-{'-'.join(dict.fromkeys(hashes))}"
        return diff_command([experiment.folders[1], experiment.folders[0]], out, as_json=as_json)
    return _finish_one(experiment, as_json)


def _finish_one(experiment: Experiment, as_json: bool) -> int:
    rows, results = per_class(experiment.results[0]), experiment.results[0]
    record = results[0].record
    overall = _mean([row["dice"] for row in rows])
    if as_json:
        classes = [{key: _plain(value) for key, value in row.items()} for row in rows]
        about = {key: record[key] for key in ("version", "fold", "steps", "epochs", "n_training")}
        seeds = [result.record["seed"] for result in results]
        runs = [str(result.folder.path) for result in results]
        terminal.print_json({**about, "seeds": seeds, "runs": runs, "dice": _plain(overall), "classes": classes})
        return 0
    shown = [
        [row["name"], row["n_present"], *(_digits(row[key], n) for key, n in _SHOWN)] for row in rows
    ]
    title = f"{record['version']}, fold {record['fold']}, {len(results)} seeds"
    terminal.print_table(title, ["bone", "films", "Dice", "seed SD", "NSD", "HD95"], shown)
    terminal.say(
        f"mean Dice over bones {overall:.4f}; {record['steps']} steps, {record['epochs']:.1f} epochs of "
        f"{record['n_training']} samples; runs in {experiment.folders[0]}"
    )
    return 0


_SHOWN = (("dice", 4), ("dice_seed_sd", 4), ("nsd", 4), ("hd95", 1))


def _digits(value: float, n: int) -> str:
    return "" if math.isnan(value) else f"{value:.{n}f}"
