"""Lightning's trainer for a configuration: precision, devices and nodes are its business, the rest is ours."""

from __future__ import annotations

import copy
import logging
import warnings
from typing import Any

import torch

from train import accelerator
from train.config import Config
from train.fit.checkpoint import CheckpointFile
from train.models.zoo import Network
from train.runs import RunFolder
from train.stack import lightning

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_trainer(
    config: Config, folder: RunFolder, loggers: list[Any], callbacks: list[Any], network: Network
) -> Any:
    """Lightning's trainer.

    Args:
        folder: of the run. network: to be trained; with several processes, whether all of it is used matters.
    """
    with warnings.catch_warnings(), quiet_lightning():
        warnings.filterwarnings("ignore", module="lightning.*")
        return lightning.Trainer(
            accelerator="gpu" if accelerator.present() else "cpu",
            devices=config.devices,
            num_nodes=config.nodes,
            strategy=_strategy(config, network),
            precision=_PRECISION[config.precision],
            max_epochs=-(-config.steps // look_length(config)),
            accumulate_grad_batches=config.accumulate,
            gradient_clip_val=config.clip or None,
            limit_val_batches=1.0 if config.evaluate_every and config.inner else 0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            deterministic=config.deterministic,
            benchmark=not config.deterministic,  # films are all of one size: let the GPU find its fastest kernels
            logger=loggers or False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
            plugins=[CheckpointFile()],
            default_root_dir=folder.path,
        )


def look_length(config: Config) -> int:
    """Steps between two checkpoints, and between two looks at the inner split: what Lightning calls an epoch."""
    return min(config.evaluate_every or config.checkpoint_every, config.steps)


def _strategy(config: Config, network: Network) -> str:
    """How processes share the work."""
    if config.devices * config.nodes == 1:
        return "auto"
    kind = "ddp"
    if config.nodes == 1:  # on the CPU by fork: a fresh process imports Lightning before torchvision is repaired
        kind = "ddp_spawn" if accelerator.present() else "ddp_fork"
    return f"{kind}_find_unused_parameters_true" if has_idle_weights(network, config) else kind


def has_idle_weights(network: Network, config: Config) -> bool:
    """Whether some weights are in no way to the logits, so that processes would wait for their gradients for ever.

    Most of smp's EfficientNets carry such a head, and PSPNet the deeper half of its encoder. Found out with a
    network without data (torch's ``meta`` device); one with a loss of its own cannot be, and is taken to have some.
    """
    if config.loss == "set":
        return True
    twin = copy.deepcopy(network).to("meta").train()
    twin(torch.zeros(2, 1, 128, 128, device="meta")).sum().backward()
    return any(weight.grad is None for weight in twin.parameters() if weight.requires_grad)


class quiet_lightning:  # noqa: N801  used like a function
    """Lightning's notices of the machine and of itself, kept out of our output."""

    def __enter__(self) -> None:
        self.loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric", "lightning")]
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
