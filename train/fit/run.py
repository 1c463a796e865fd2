"""One run: prepare its films, train, score, and leave a run folder behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from curate.errors import LockedError, UsageError
from curate.files import write_atomically
from curate.sample.read import SampleReader
from train import accelerator
from train.arms import Arm
from train.config import Config
from train.data.feed import open_store, prepare_arm
from train.data.online import OnlineAugmenter
from train.evaluate import evaluate
from train.fit.loggers import check_loggers, log_scores
from train.fit.losses import Loss
from train.fit.optimise import optimise
from train.fit.ranks import leads, wait_for
from train.models.zoo import encoder_name
from train.progress import Reporter
from train.runs import RunFolder, read_record, run_folder, save_model, write_record
from train.scores import write_scores


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, what ``run.json`` says, and whether it had been finished before."""

    folder: RunFolder
    record: dict[str, Any]
    was_finished: bool


def check_options(config: Config, classes: Sequence[str]) -> None:
    """Refuse what can be refused before a film is decoded, which takes minutes for a large set.

    Raises:
        UsageError: an unknown encoder, class, transform or logger; more GPUs than there are.
    """
    if accelerator.present() and config.devices > accelerator.count():
        raise UsageError("devices", f"{config.devices} asked for, this machine has {accelerator.count()} GPUs")
    Loss(config, classes)
    if config.augment != "none":
        OnlineAugmenter(config.augment, 64)
    if config.architecture not in ("fcn", "mask2former"):
        encoder_name(config.encoder)
    check_loggers(config)


def fit_run(arm: Arm, seed: int, config: Config, runs: Path, reporter: Reporter) -> RunResult:
    """Train and score one run, or go on with an interrupted one; a finished one is left alone.

    Args:
        arm: its samples. seed: of weights, order and online augmentation.
        runs: the folder of all runs; decoded films are kept in its ``cache``.
        reporter: is told how far it is.

    Raises:
        CarpusError: a film cannot be read, the loss is no number, the batch does not fit, another process is at it.
    """
    folder = run_folder(runs, arm, config, seed)
    name = f"{arm.version.name} fold {arm.fold} seed {seed}"
    if folder.finished:
        reporter.line(f"{name}: finished before, in {folder.path}")
        return RunResult(folder, read_record(folder.path), True)
    check_options(config, arm.version.manifest.classes)
    folder.path.mkdir(parents=True, exist_ok=True)
    if not leads(config):
        store = open_store(Path(runs) / "cache", config, arm.version.manifest.classes)
        prepare_arm(arm, store, config, reporter)
        optimise(arm, seed, config, store, folder, name, reporter)
        wait_for(folder)
        return RunResult(folder, read_record(folder.path), False)
    try:
        with FileLock(folder.path / ".lock", timeout=0):
            return RunResult(folder, _fit(arm, seed, config, runs, folder, name, reporter), False)
    except Timeout:
        raise LockedError(folder.path, "another process is training this run") from None


def _fit(
    arm: Arm, seed: int, config: Config, runs: Path, folder: RunFolder, name: str, reporter: Reporter
) -> dict[str, Any]:
    since = time.monotonic()
    write_atomically(folder.path / "config.yaml", config.to_yaml().encode())
    store = open_store(Path(runs) / "cache", config, arm.version.manifest.classes)
    prepare_arm(arm, store, config, reporter)
    steps, initial, network = optimise(arm, seed, config, store, folder, name, reporter)
    save_model(folder.model, network, config, store.classes, steps)
    trained = time.monotonic() - since
    with reporter.task(f"{name}, scoring", len(arm.evaluation)) as task:
        network = network.to(accelerator.device())
        rows = evaluate(
            network, arm.evaluation, store, SampleReader(arm.version), threshold=config.threshold,
            keep=folder.predictions, keep_size=config.predictions, progress=task,
        )  # fmt: skip
    write_scores(folder.scores, rows)
    log_scores(config, folder, name, rows, store.classes, steps)
    per_step = config.batch * config.accumulate * config.devices * config.nodes
    more = {
        "steps": steps,
        "epochs": round(steps * per_step / len(arm.training), 3),
        "samples_per_step": per_step,
        "initial_weights": initial.origin,
        "device": accelerator.name(),
        "seconds": {"training": round(trained, 1), "scoring": round(time.monotonic() - since - trained, 1)},
    }
    record = write_record(folder, arm, config, seed, more)
    folder.resume.unlink(missing_ok=True)
    return record
