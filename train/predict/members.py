"""Finished runs as members of a prediction: their networks, their thresholds and how well they did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from curate.errors import UsageError
from train.compare.runs import find_runs
from train.evaluate import ask
from train.runs import load_model
from train.scores import ScoreRow, read_scores

METHODS = ("soft", "weighted", "class-wise", "hard")
_TINY = 1e-6


@dataclass(eq=False)
class Member:
    """One finished run, ready to predict.

    Attributes:
        path: the run folder. network: on the device. size: pixels, the longer side of a film in training.
        classes: names in the order of the bits.
        thresholds: probability from which a pixel belongs to a class, one a class.
        dice: mean validation Dice, one a class (NaN where the class was nowhere): the weight in an ensemble.
        patch: pixels, the side of the patches of whole-size films that it was trained on; 0: on whole films.
    """

    path: Path
    network: nn.Module
    size: int
    classes: tuple[str, ...]
    thresholds: list[float]
    dice: np.ndarray
    patch: int = 0

    def probabilities(self, images: np.ndarray, device: torch.device) -> np.ndarray:
        """What the network says of grey pictures: uint8 (b, h, w) -> float32 (b, classes, h, w) in [0, 1]."""
        return ask(self.network, images, device, probabilities=True)


def load_member(path: Path, device: torch.device, tuned: bool = False) -> Member:
    """A run folder as a member of an ensemble.

    Args:
        tuned: use the thresholds that ``train thresholds`` found for it, rather than its configuration's.

    Raises:
        UsageError: no usable model there, or no tuned thresholds.
    """
    path = Path(path)
    network, config, classes = load_model(path)
    thresholds = tuned_thresholds(path, classes) if tuned else [config.threshold] * len(classes)
    rows = read_scores(path / "scores.csv") if (path / "scores.csv").is_file() else []
    dice = mean_dice(rows, classes)
    return Member(path, network.to(device), config.size, classes, thresholds, dice, config.patch)


def tuned_thresholds(path: Path, classes: Sequence[str]) -> list[float]:
    """What ``train thresholds`` kept in a run folder, in the order of the classes.

    Raises:
        UsageError: there is none, or it is damaged or of other classes.
    """
    file = Path(path) / "thresholds.json"
    if not file.is_file():
        raise UsageError(path, "has no tuned thresholds: train thresholds RUN finds them")
    try:
        found = json.loads(file.read_bytes())["thresholds"]
        values = [float(found[name]) for name in classes]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(file, f"is damaged; delete it and find thresholds again ({error})") from error
    if not all(0 < value < 1 for value in values):
        raise UsageError(file, "is damaged: a threshold lies outside 0 to 1")
    return values


def mean_dice(rows: Sequence[ScoreRow], classes: Sequence[str], without: frozenset[str] = frozenset()) -> np.ndarray:
    """Mean Dice over films, one a class, NaN where a class was nowhere.

    Args:
        without: patients whose films are left out.

    Returns:
        float64 (classes,).
    """
    held: dict[str, list[float]] = {name: [] for name in classes}
    for row in rows:
        if row.dice == row.dice and row.label in held and row.group not in without:
            held[row.label].append(row.dice)
    return np.array([np.mean(values) if values else np.nan for values in held.values()])


def find_members(paths: Sequence[Path], device: torch.device, tuned: bool = False) -> list[Member]:
    """The runs at some paths: run folders, or folders of run folders.

    Raises:
        UsageError: no run there, or one that cannot be used.
    """
    folders = [run for path in paths for run in ([Path(path)] if _is_run(path) else find_runs(Path(path)))]
    return [load_member(folder, device, tuned) for folder in folders]


def _is_run(path: Path) -> bool:
    return (Path(path) / "model.pt").is_file()


def check_members(members: Sequence[Member]) -> None:
    """Refuse members that cannot be put together.

    Raises:
        UsageError: none at all, or of different classes.
    """
    if not members:
        raise UsageError("RUN", "no finished run to predict with")
    first = members[0]
    for other in members[1:]:
        if other.classes != first.classes:
            odd = sorted(set(first.classes) ^ set(other.classes)) or ["their order"]
            raise UsageError(other.path, f"has other classes than {first.path}: {', '.join(odd[:5])}")


def shares(members: Sequence[Member], method: str) -> np.ndarray:
    """How much each member counts for each class.

    Args:
        method: ``soft`` (all alike; also for ``hard``), ``weighted`` (by validation Dice) or ``class-wise`` (the best
            alone).

    Returns:
        float64 (members, classes), each class's adding up to 1.

    Raises:
        UsageError: a member without validation scores where they are needed.
    """
    dice = np.stack([member.dice for member in members])
    if method in ("soft", "hard"):
        return np.full(dice.shape, 1 / len(members))
    unknown = np.isnan(dice).all(0)
    if np.isnan(dice).all(1).any():
        raise UsageError("--method", f"{method} needs the validation scores of every run")
    share = np.nan_to_num(dice, nan=0.0) + _TINY
    share[:, unknown] = 1.0
    if method == "class-wise":
        share = (np.arange(len(members))[:, None] == share.argmax(0)).astype(float)
    return share / share.sum(0)
