"""Optimisers and the learning rate as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from train.config import Config


def make_optimiser(network: nn.Module, encoder: nn.Module, config: Config) -> torch.optim.Optimizer:
    """The optimiser of a configuration; the encoder has its own factor, biases and norms have no decay."""
    of_encoder = {id(p) for p in encoder.parameters()}
    groups = []
    for inside in (True, False):
        for vector in (True, False):
            members = [
                p
                for p in network.parameters()
                if p.requires_grad and (id(p) in of_encoder) == inside and (p.ndim <= 1) == vector
            ]
            if members:
                lr = config.lr * (config.encoder_lr if inside else 1.0)
                groups.append({"params": members, "lr": lr, "weight_decay": 0.0 if vector else config.weight_decay})
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0)
    if config.optimiser == "radam":
        return torch.optim.RAdam(groups, decoupled_weight_decay=True)
    return {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimiser](groups)


def learning_rate(config: Config) -> Callable[[int], float]:
    """The factor on the learning rate at each step; for ``plateau`` this is only the warm-up."""
    every = config.schedule_every or max(1, config.steps // 3)
    span = max(1, config.steps - config.warmup)

    def factor(step: int) -> float:
        if step < config.warmup:
            return (step + 1) / (config.warmup + 1)
        done = min(step - config.warmup, span)
        if config.schedule == "poly":
            return (1 - done / (span + 1)) ** config.schedule_power
        if config.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * done / (span + 1)))
        if config.schedule == "cosine-restarts":  # Loshchilov and Hutter, "SGDR", 2017: each period twice the last
            period = every
            while done >= period:
                done, period = done - period, period * 2
            return 0.5 * (1 + math.cos(math.pi * done / period))
        if config.schedule == "step":
            return config.schedule_factor ** (done // every)
        return 1.0

    return factor


class Plateau:
    """The factor that falls whenever the inner score has not risen for some looks."""

    def __init__(self, factor: float, patience: int):
        self.factor, self.patience = factor, patience
        self.value, self.best, self.since = 1.0, -math.inf, 0

    def look(self, score: float) -> None:
        """Take in a new score; higher is better."""
        if score > self.best:
            self.best, self.since = score, 0
            return
        self.since += 1
        if self.since > self.patience:
            self.value, self.since = self.value * self.factor, 0

    def state_dict(self) -> dict[str, float]:
        """Plain numbers, for a checkpoint."""
        return {"value": self.value, "best": self.best, "since": self.since}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from :meth:`state_dict`."""
        self.value, self.best, self.since = state["value"], state["best"], int(state["since"])
