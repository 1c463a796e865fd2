"""The optimisation of one run: network, loaders and Lightning's trainer, from a checkpoint where there is one."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from curate.errors import CarpusError, UsageError
from train.arms import Arm
from train.config import Config
from train.data.draws import DrawSampler, loader_workers, make_loader
from train.data.feed import inner_set, training_set
from train.data.store import DigestStore
from train.fit.batch import check_batch, too_large
from train.fit.callbacks import EarlyStop, Journal, Keeper
from train.fit.loggers import Board, make_loggers
from train.fit.module import Segmenter
from train.models.encoders import read_safely
from train.models.zoo import Initial, build, initialise
from train.progress import Reporter
from train.runs import RunFolder
from train.stack import lightning

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def optimise(
    arm: Arm, seed: int, config: Config, store: DigestStore, folder: RunFolder, name: str, reporter: Reporter,
    also: Sequence[Any] = (),
) -> tuple[int, Initial, torch.nn.Module]:
    """Train a network on an arm's films, or go on with it.

    Args:
        store: holds them. folder: of the run: checkpoint and logs go there.
        also: further callbacks of Lightning's; what they raise ends the training.

    Returns:
        the steps done, where the first weights came from, and the network to score, on the CPU.

    Raises:
        CarpusError: the batch does not fit, the loss is no number, the checkpoint is damaged.
    """
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
    look = look_length(config)
    films = training_set(arm, store, config, seed)
    sampler = DrawSampler(len(arm.training), look * config.batch * config.accumulate * world, seed, world)
    workers, pin = loader_workers(config.workers), torch.cuda.is_available()
    inner = make_loader(inner_set(arm, store, config), None, config.batch, 0, pin) if arm.inner else None
    check_batch(module)
    state = _state(folder.resume)
    if state is None or not state["carpus"]["ended"]:
        if state is not None:
            reporter.line(f"{name}: goes on from step {state['global_step']}")
        loader = make_loader(films, sampler, config.batch, workers, pin)
        shown = inner_set(arm, store, config) if arm.inner else films
        from_step = state["global_step"] if state is not None else 0
        loggers = make_loggers(config, folder, name, from_step)
        callbacks = [*_callbacks(config, folder, name, reporter), *([Board(shown)] if loggers else []), *also]
        _fit(make_trainer(config, folder, loggers, callbacks), module, loader, inner, folder.resume)
        state = _state(folder.resume)
    # from the file, for with several processes the module trained here may not be the one in this process
    module.load_state_dict(state["state_dict"])
    return state["global_step"], initial, module.scored.cpu()


def _fit(trainer: Any, module: Segmenter, loader: Any, inner: Any, resume: Path) -> None:
    with warnings.catch_warnings(), _quiet_lightning():
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*(num_workers|lr_scheduler.step|isinstance.*LeafSpec).*")
        try:
            trainer.fit(module, loader, inner, ckpt_path=resume if resume.is_file() else None, weights_only=True)
        except torch.cuda.OutOfMemoryError as error:
            raise too_large(module) from error
        except SystemExit as error:  # Lightning's way to say that it was interrupted from the keyboard
            raise KeyboardInterrupt from error


def _callbacks(config: Config, folder: RunFolder, name: str, reporter: Reporter) -> list[Any]:
    stop = [EarlyStop(config.patience)] if config.patience else []
    return [*stop, Journal(folder.log, name, reporter.console.quiet), Keeper(folder.resume)]


def make_trainer(config: Config, folder: RunFolder, loggers: list[Any], callbacks: list[Any]) -> Any:
    """Lightning's trainer for a configuration: precision, devices and limits are its business, the rest is ours."""
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
            max_epochs=-(-config.steps // look_length(config)),
            accumulate_grad_batches=config.accumulate,
            gradient_clip_val=config.clip or None,
            limit_val_batches=1.0 if config.evaluate_every and config.inner else 0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            deterministic=config.deterministic,
            logger=loggers or False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
            default_root_dir=folder.path,
        )


def look_length(config: Config) -> int:
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
