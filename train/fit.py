"""One run: prepare its films, train, score, and leave a run folder behind."""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from curate.errors import CarpusError, LockedError, UsageError
from curate.files import write_atomically
from curate.sample.read import SampleReader
from train.arms import Arm
from train.callbacks import EarlyStop, Journal, Keeper
from train.config import Config
from train.data import DrawSampler, loader_workers, make_loader
from train.encoders import read_safely
from train.evaluate import evaluate
from train.feed import inner_set, open_store, prepare_arm, training_set
from train.models import Initial, build, initialise
from train.module import Segmenter
from train.progress import Reporter
from train.runs import RunFolder, read_record, run_folder, save_model, write_record
from train.scores import write_scores
from train.stack import lightning
from train.store import DigestStore

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, what ``run.json`` says, and whether it had been finished before."""

    folder: RunFolder
    record: dict[str, Any]
    was_finished: bool


def device() -> torch.device:
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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
    folder.path.mkdir(parents=True, exist_ok=True)
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
    steps, initial, network = _train(arm, seed, config, store, folder, name, reporter)
    save_model(folder.model, network, config, store.classes, steps)
    trained = time.monotonic() - since
    with reporter.task(f"{name}, scoring", len(arm.evaluation)) as task:
        rows = evaluate(
            network.to(device()), arm.evaluation, store, SampleReader(arm.version), threshold=config.threshold,
            keep=folder.predictions, keep_size=config.predictions, progress=task,
        )  # fmt: skip
    write_scores(folder.scores, rows)
    per_step = config.batch * config.accumulate * config.devices * config.nodes
    more = {
        "steps": steps,
        "epochs": round(steps * per_step / len(arm.training), 3),
        "samples_per_step": per_step,
        "initial_weights": initial.origin,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "seconds": {"training": round(trained, 1), "scoring": round(time.monotonic() - since - trained, 1)},
    }
    record = write_record(folder, arm, config, seed, more)
    folder.resume.unlink(missing_ok=True)
    return record


def _train(
    arm: Arm, seed: int, config: Config, store: DigestStore, folder: RunFolder, name: str, reporter: Reporter
) -> tuple[int, Initial, torch.nn.Module]:
    """Optimise; returns the steps done, where the first weights came from, and the network to score."""
    lightning.seed_everything(seed, workers=False, verbose=False)
    network = build(config, len(store.classes))
    initial = initialise(network, config)
    reporter.line(
        f"{name}: {config.architecture} on {config.encoder}, {len(arm.training)} samples, {config.steps} steps "
        f"of {config.batch * config.accumulate}; {initial.note}"
    )
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    module = Segmenter(network, config, store.classes, seed)
    world = config.devices * config.nodes
    look = _look(config)
    films = training_set(arm, store, config, seed)
    sampler = DrawSampler(len(arm.training), look * config.batch * config.accumulate * world, seed, world)
    workers, pin = loader_workers(config.workers), torch.cuda.is_available()
    inner = make_loader(inner_set(arm, store, config), None, config.batch, 0, pin) if arm.inner else None
    state = _state(folder.resume)
    if state is None or not state["carpus"]["ended"]:
        if state is not None:
            reporter.line(f"{name}: goes on from step {state['global_step']}")
        loader = make_loader(films, sampler, config.batch, workers, pin)
        _optimise(make_trainer(config, folder, name, reporter.console.quiet), module, loader, inner, folder.resume)
        state = _state(folder.resume)
    # from the file, for with several processes the module trained here may not be the one in this process
    module.load_state_dict(state["state_dict"])
    return state["global_step"], initial, module.scored.cpu()


def _optimise(trainer: Any, module: Segmenter, loader: Any, inner: Any, resume: Path) -> None:
    with warnings.catch_warnings(), _quiet_lightning():
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*(num_workers|lr_scheduler.step|isinstance.*LeafSpec).*")
        try:
            trainer.fit(module, loader, inner, ckpt_path=resume if resume.is_file() else None, weights_only=True)
        except torch.cuda.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            size, batch = module.config.size, module.config.batch
            raise UsageError("batch", f"{batch} samples of {size} pixels do not fit the GPU") from error
        except SystemExit as error:  # Lightning's way to say that it was interrupted from the keyboard
            raise KeyboardInterrupt from error


def make_trainer(config: Config, folder: RunFolder, name: str, quiet: bool) -> Any:
    """Lightning's trainer for a configuration: precision, devices and limits are its business, the rest is ours."""
    callbacks = [Journal(folder.log, name, quiet), Keeper(folder.resume)]
    if config.patience:
        callbacks.insert(0, EarlyStop(config.patience))
    strategy = "auto"
    if config.nodes > 1:
        strategy = "ddp"
    elif config.devices > 1:  # on the CPU by fork: a fresh process imports Lightning before torchvision is repaired
        strategy = "ddp_spawn" if torch.cuda.is_available() else "ddp_fork"
    with warnings.catch_warnings(), _quiet_lightning():
        warnings.filterwarnings("ignore", module="lightning.*")
        return lightning.Trainer(
            accelerator="auto" if torch.cuda.is_available() else "cpu",
            devices=config.devices,
            num_nodes=config.nodes,
            strategy=strategy,
            precision=_PRECISION[config.precision],
            max_epochs=-(-config.steps // _look(config)),
            accumulate_grad_batches=config.accumulate,
            gradient_clip_val=config.clip or None,
            limit_val_batches=1.0 if config.evaluate_every and config.inner else 0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            deterministic=config.deterministic,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
            default_root_dir=folder.path,
        )


def _look(config: Config) -> int:
    """Steps between two checkpoints, and between two looks at the inner split: what Lightning calls an epoch."""
    return min(config.evaluate_every or config.checkpoint_every, config.steps)


def _state(path: Path) -> dict[str, Any] | None:
    """The checkpoint to resume from, if there is one; a damaged one is refused rather than silently begun anew."""
    if not path.is_file():
        return None
    try:
        return read_safely(path)
    except UsageError as error:
        raise CarpusError(path, f"cannot be resumed from; delete it to begin anew ({error.detail})") from error


class _quiet_lightning:  # noqa: N801  used like a function
    """Lightning's notices of the machine and of itself, kept out of our output."""

    def __enter__(self) -> None:
        self.loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric", "lightning")]
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
