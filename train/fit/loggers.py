"""Curves, per-class Dice and prediction pictures as a run goes, in TensorBoard and in Weights & Biases.

``log.csv`` and ``inner.csv`` are always written (:mod:`train.fit.callbacks`); this is what is looked at besides. W&B
works offline unless the environment says ``WANDB_MODE=online``: nothing leaves the machine by itself.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from curate.errors import UsageError
from train.config import Config
from train.data.draws import collate
from train.fit.module import Segmenter
from train.fit.sheets import bars, beside, outlines, smaller
from train.runs import RunFolder
from train.scores import ScoreRow
from train.stack import lightning

SCALARS_EVERY = 10  # steps
FILMS, SIDE = 4, 384  # in a picture of predictions, and the most pixels of each: a run logs many


def make_loggers(config: Config, folder: RunFolder, name: str, step: int = 0) -> list[Any]:
    """Lightning's loggers for a run, as the configuration asks for them.

    Args:
        folder: of the run: they write below it. name: what to call the run.
        step: that it goes on from; what an interrupted run logged beyond it is not shown.

    Raises:
        UsageError: one that is not installed.
    """
    from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

    check_loggers(config)
    made: list[Any] = []
    for kind in config.loggers:
        if kind == "tensorboard":
            purge = {"purge_step": step + 1} if step else {}
            made.append(TensorBoardLogger(folder.path, name="tensorboard", version="", **purge))
        else:
            offline = os.environ.get("WANDB_MODE", "offline") != "online"
            made.append(
                WandbLogger(
                    name, folder.path, version="-".join(folder.path.parts[-3:]), offline=offline, project="carpus",
                    config=config.to_dict(), resume="allow",
                )
            )  # fmt: skip
    return made


def check_loggers(config: Config) -> None:
    """Refuse loggers that are not installed.

    Raises:
        UsageError: names the first.
    """
    for kind in config.loggers:
        if importlib.util.find_spec(kind) is None:
            raise UsageError("loggers", f"{kind} is not installed: pip install 'carpus[{_EXTRA[kind]}]'")


_EXTRA = {"tensorboard": "train", "wandb": "wandb"}


def log_picture(logger: Any, name: str, picture: np.ndarray, step: int) -> None:
    """One picture, uint8 (h, w, 3), to one of Lightning's loggers."""
    if hasattr(logger, "log_image"):
        logger.log_image(name, [picture], step=step)
    else:
        logger.experiment.add_image(name, picture, step, dataformats="HWC")


class Board(lightning.pytorch.Callback):
    """Tells the trainer's loggers what happens: curves, per-class Dice of the inner split, pictures of predictions.

    Args:
        shown: some samples of this are predicted for the pictures; of the inner split where there is one, else of
            those trained on; never of the films that are scored.
    """

    def __init__(self, shown: Dataset):
        self.shown = shown
        self._told = -1

    def on_train_batch_end(self, trainer: Any, module: Segmenter, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Every few steps, loss and learning rate."""
        step = trainer.global_step
        if (step % SCALARS_EVERY and step != module.config.steps) or step == self._told or not trainer.is_global_zero:
            return
        self._told = step
        values = {"loss": float(module.last_loss), "lr": trainer.optimizers[0].param_groups[-1]["lr"]}
        for logger in trainer.loggers:
            logger.log_metrics(values, step)

    def on_validation_end(self, trainer: Any, module: Segmenter) -> None:
        """Dice of the inner split, over all bones and of each."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        per_class = dict(zip(module.classes, module.inner_classes, strict=True))
        values = {f"inner/{name}": value for name, value in per_class.items() if value == value}
        for logger in trainer.loggers:
            logger.log_metrics({"inner_dice": module.inner_dice, **values}, trainer.global_step)
            log_picture(logger, "inner", bars("inner split", per_class), trainer.global_step)

    def on_train_epoch_end(self, trainer: Any, module: Segmenter) -> None:
        """Some samples with what is true and what is predicted."""
        if trainer.is_global_zero:
            picture = predictions(module, self.shown)
            for logger in trainer.loggers:
                log_picture(logger, "predictions", picture, trainer.global_step)

    def teardown(self, trainer: Any, module: Segmenter, stage: str) -> None:
        """Close what is open."""
        close(trainer.loggers)


def predictions(module: Segmenter, shown: Dataset) -> np.ndarray:
    """Some samples side by side with their true and predicted outlines: uint8 (h, w, 3).

    The network is looked at, not changed: it predicts in evaluation mode and goes on as it was.
    """
    places = np.unique(np.linspace(0, len(shown) - 1, FILMS).astype(int)).tolist()
    items = [shown[k] for k in places]
    network = module.scored
    training = network.training
    network.eval()
    with torch.inference_mode():  # one by one: several at once may not fit where a batch in half precision just does
        images = (collate([item])["image"].to(module.device).float() for item in items)
        found = [(network(image) > 0)[0].cpu().numpy() for image in images]
    network.train(training)
    truth = [np.bitwise_or.reduce(item["planes"], axis=0) for item in items]
    drawn = [outlines(i["image"], t, p) for i, t, p in zip(items, truth, found, strict=True)]
    return beside([smaller(picture, SIDE) for picture in drawn])


def log_scores(
    config: Config, folder: RunFolder, name: str, rows: Sequence[ScoreRow], classes: Sequence[str], steps: int
) -> None:
    """The finished run's Dice on its evaluation films, over all bones and of each, as numbers and as bars."""
    loggers = make_loggers(config, folder, name)
    means = {}
    for label in classes:
        held = [row.dice for row in rows if row.label == label and row.dice == row.dice]
        means[label] = float(np.mean(held)) if held else float("nan")
    known = [value for value in means.values() if value == value]
    for logger in loggers:
        values = {f"dice/{label}": value for label, value in means.items() if value == value}
        logger.log_metrics({"dice": float(np.mean(known or [np.nan])), **values}, steps)
        log_picture(logger, "dice", bars("evaluation films", means), steps)
    close(loggers)


def close(loggers: Sequence[Any]) -> None:
    """Write what is pending and let go of the files."""
    for logger in loggers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logger.finalize("success")
            if hasattr(logger, "log_image"):
                logger.experiment.finish()
