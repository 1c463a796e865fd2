"""What happens beside the steps: the log, the checkpoint to resume from, the early stop."""

from __future__ import annotations

import csv
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from train.fit.module import Segmenter
from train.progress import Reporter
from train.stack import lightning

_COLUMNS = ("step", "loss", "lr", "inner_dice", "seconds")
_INNER = ("step", "class", "dice")
_ROWS_EVERY = 10  # steps between rows of the log


class Journal(lightning.pytorch.Callback):
    """Writes ``log.csv`` and, for each look at the inner split, ``inner.csv`` as the run goes; shows how far it is.

    Args:
        path: of the log, beside which ``inner.csv`` lies; rows after the step that a resumed run begins from are
            dropped.
        name: what to call the run. quiet: show nothing.
    """

    def __init__(self, path: Path, name: str, quiet: bool = False):
        self.path, self.name, self.quiet = path, name, quiet
        self._open: ExitStack | None = None

    def on_train_start(self, trainer: Any, module: Segmenter) -> None:
        """Begin, or go on with, the log."""
        self._open, self._since, self._told = ExitStack(), time.monotonic(), trainer.global_step
        if trainer.is_global_zero:
            self._writer, self._stream = self._table(self.path, _COLUMNS, trainer.global_step)
            if module.config.inner and module.config.evaluate_every:
                self._inner, self._inner_stream = self._table(
                    self.path.with_name("inner.csv"), _INNER, trainer.global_step
                )
            reporter = Reporter(quiet=self.quiet)
            self._task = self._open.enter_context(reporter.task(self.name, module.config.steps))
            self._task.resume(trainer.global_step)

    def _table(self, path: Path, columns: tuple[str, ...], step: int) -> tuple[Any, IO[str]]:
        """A table that goes on from a step: its writer, and the stream."""
        kept = _rows_until(path, step)
        stream = self._open.enter_context(path.open("w", newline="", encoding="utf-8"))
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([columns, *kept])
        return writer, stream

    def on_train_batch_end(self, trainer: Any, module: Segmenter, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Every few steps, a row."""
        step = trainer.global_step
        if not trainer.is_global_zero or step == self._told:
            return
        if step % _ROWS_EVERY == 0 or step == module.config.steps:
            self._told, loss = step, float(module.last_loss)
            lr = trainer.optimizers[0].param_groups[-1]["lr"]
            self._row(step, f"{loss:.6g}", f"{lr:.4g}", "")
            self._task(step, f"loss {loss:.4f}")

    def on_validation_end(self, trainer: Any, module: Segmenter) -> None:
        """A row for each look at the inner split."""
        if trainer.is_global_zero and self._open is not None:
            self._row(trainer.global_step, "", "", f"{module.inner_dice:.6f}")
            values = (f"{v:.6f}" if v == v else "" for v in module.inner_classes)
            rows = [(trainer.global_step, *pair) for pair in zip(module.classes, values, strict=True)]
            self._inner.writerows(rows)
            self._inner_stream.flush()

    def _row(self, step: int, loss: str, lr: str, inner: str) -> None:
        self._writer.writerow([step, loss, lr, inner, f"{time.monotonic() - self._since:.1f}"])
        self._stream.flush()

    def on_exception(self, trainer: Any, module: Segmenter, exception: BaseException) -> None:
        """Close the log."""
        self.teardown(trainer, module, "fit")

    def teardown(self, trainer: Any, module: Segmenter, stage: str) -> None:
        """Close the log."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _rows_until(path: Path, step: int) -> list[list[str]]:
    """The rows of an interrupted run's log up to the step that it is resumed from."""
    if step == 0 or not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return [row for row in list(csv.reader(stream))[1:] if row and row[0].isdigit() and int(row[0]) <= step]


class Keeper(lightning.pytorch.Callback):
    """Keeps the checkpoint that an interrupted run resumes from: whole, or the one before.

    It is written at the end of each look at the data and of the run, after the losses since and the weights were found
    to be numbers.
    """

    def __init__(self, path: Path):
        self.path = path

    def on_train_epoch_end(self, trainer: Any, module: Segmenter) -> None:
        """Replace the checkpoint."""
        module.check_losses()
        module.check_weights()
        trainer.save_checkpoint(self.path)  # whole or not at all: train.fit.checkpoint


class EarlyStop(lightning.pytorch.Callback):
    """Stops when the inner score has not risen for some looks."""

    def __init__(self, patience: int):
        self.patience = patience
        self.best, self.since = -1.0, 0

    def on_validation_end(self, trainer: Any, module: Segmenter) -> None:
        """Take in a look."""
        if module.inner_dice > self.best:
            self.best, self.since = module.inner_dice, 0
        else:
            self.since += 1
        if self.since >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, float]:
        """For the checkpoint."""
        return {"best": self.best, "since": self.since}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a checkpoint."""
        self.best, self.since = state["best"], int(state["since"])
