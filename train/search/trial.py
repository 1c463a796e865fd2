"""One trial of a study: a training scored on the inner split alone."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import optuna

from train.arms import Arm
from train.config import Config
from train.data.feed import open_store, prepare_rows_of
from train.fit.module import Segmenter
from train.fit.optimise import optimise
from train.progress import Reporter
from train.runs import RunFolder
from train.stack import lightning


class Watch(lightning.pytorch.Callback):
    """Tells a trial each inner score as it comes, and ends the training when others did better by then.

    Args:
        trial: of Optuna's. log: ``log.csv`` of the run; what an interrupted training scored before is told first.
    """

    def __init__(self, trial: optuna.Trial, log: Path):
        self.trial, self._file = trial, log

    def on_train_start(self, trainer: Any, module: Segmenter) -> None:
        """Tell what an interrupted training had scored."""
        for step, score in inner_scores(self._file):
            if step <= trainer.global_step:
                self.trial.report(score, step)

    def on_validation_end(self, trainer: Any, module: Segmenter) -> None:
        """Tell a score; stop where it is hopeless.

        Raises:
            optuna.TrialPruned: it is.
        """
        self.trial.report(module.inner_dice, trainer.global_step)
        if trainer.global_step < module.config.steps and self.trial.should_prune():
            raise optuna.TrialPruned(f"behind at step {trainer.global_step}")


def inner_scores(log: Path) -> list[tuple[int, float]]:
    """Step and inner Dice of each look in a ``log.csv``; none where there is no such file."""
    if not log.is_file():
        return []
    with open(log, newline="", encoding="utf-8") as stream:
        return [(int(row["step"]), float(row["inner_dice"])) for row in csv.DictReader(stream) if row["inner_dice"]]


def last_step(log: Path) -> int:
    """The last step in a ``log.csv``; 0 where there is none."""
    if not log.is_file():
        return 0
    with open(log, newline="", encoding="utf-8") as stream:
        return max((int(row["step"]) for row in csv.DictReader(stream)), default=0)


def run_trial(
    trial: optuna.Trial, arm: Arm, config: Config, folder: RunFolder, cache: Path, name: str, reporter: Reporter
) -> float:
    """Train a configuration on an arm's training films and score it on its inner films.

    The films of the scored fold are not even decoded.

    Args:
        folder: of the trial: its logs, and the checkpoint it goes on from when it was interrupted.
        cache: of decoded films.

    Returns:
        the inner Dice at the end: mean over films and bones, at training size.

    Raises:
        optuna.TrialPruned: others had done better by some look.
        CarpusError: as :func:`train.fit.optimise.optimise`.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    store = open_store(cache, config, arm.version.manifest.classes)
    prepare_rows_of(arm, (*arm.training, *arm.inner), store, config, reporter)
    optimise(arm, 0, config, store, folder, name, reporter, also=(Watch(trial, folder.log),))
    return inner_scores(folder.log)[-1][1]
