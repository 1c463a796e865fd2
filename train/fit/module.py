"""One optimisation as Lightning runs it: the step, the schedule, the average, the look at the inner split."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from curate.errors import CarpusError
from train.config import Config
from train.data.planes import expand
from train.fit.losses import Loss
from train.fit.optim import Plateau, learning_rate, make_optimiser
from train.models.zoo import Network, encoder_of
from train.stack import lightning

_CHECK_EVERY = 20  # steps between checks of the loss on a GPU, which each check makes wait


class LossError(CarpusError):
    """The loss is no number any more."""


class Averager:
    """Exponential moving average of a network's weights, its statistics of normalisation included.

    The decay grows from 0.1 as (1 + n) / (10 + n), so that the first weights are forgotten.
    """

    def __init__(self, decay: float):
        self.decay, self.count = decay, 0

    def make(self, network: nn.Module) -> nn.Module:
        """The copy that holds the average."""
        average = copy.deepcopy(network)
        return average.requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, average: nn.Module, network: nn.Module) -> None:
        """Take in the network's present weights."""
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        pairs = zip(_tensors_of(average), _tensors_of(network), strict=True)
        floats, counts = [], []
        for pair in pairs:
            (floats if pair[0].is_floating_point() else counts).append(pair)
        # a few launches on a GPU rather than one a tensor, of which a network has hundreds
        torch._foreach_lerp_(*map(list, zip(*floats, strict=True)), 1 - decay)
        if counts:
            torch._foreach_copy_(*map(list, zip(*counts, strict=True)))


def _tensors_of(network: nn.Module) -> Iterator[torch.Tensor]:
    """Its weights and buffers, in an order that a copy shares."""
    yield from network.parameters()
    yield from network.buffers()


class Segmenter(lightning.LightningModule):
    """A network in training.

    Args:
        network: maps float (b, 1, h, w) grey values to logits.
        config: of the run. classes: names in the order of the bits.
        seed: of the run; every batch draws from it anew, so that dropout remembers no interruption.
    """

    def __init__(self, network: Network, config: Config, classes: Sequence[str], seed: int):
        super().__init__()
        self.network, self.config, self.classes, self.seed = network, config, tuple(classes), seed
        self.loss = Loss(config, classes)
        self.average = Averager(config.ema)
        self.averaged = self.average.make(network) if config.ema else None
        self.plateau = Plateau(config.schedule_factor, config.schedule_every or 2)
        # in a tuple, so that the compiled twin is no second member of this module
        self._trained = (torch.compile(network) if config.compile else network,)
        self._pending: list[tuple[torch.Tensor, list[str]]] = []
        self._last_films: list[str] = []
        self._counts: list[torch.Tensor] = []
        self.inner_dice: float | None = None
        self.inner_classes: list[float] = []
        self.last_loss: torch.Tensor | None = None

    @property
    def scored(self) -> nn.Module:
        """The network whose scores count: the average where there is one, else the last weights."""
        return self.network if self.averaged is None else self.averaged

    def configure_optimizers(self) -> dict[str, Any]:
        """Lightning asks for the optimiser and the schedule."""
        optimiser = make_optimiser(self.network, encoder_of(self.network), self.config)
        factor = learning_rate(self.config)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: factor(step) * self.plateau.value)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _image(self, batch: dict[str, Any]) -> torch.Tensor:
        image = batch["image"].float()
        return image.contiguous(memory_format=torch.channels_last) if self.config.channels_last else image

    def training_step(self, batch: dict[str, Any], index: int) -> torch.Tensor:
        """The loss of one batch."""
        number = self.current_epoch * self.trainer.num_training_batches + index
        torch.manual_seed((self.seed * 1_000_003 + number) * 1009 + self.global_rank)
        target = expand(batch["planes"], batch["weights"], len(self.classes))
        if self.config.loss == "set":
            loss = self.network.set_loss(self._image(batch), target)
        else:
            loss = self.loss(self._trained[0](self._image(batch)), target)
        self._last_films = batch["ids"]
        self._pending.append((loss.detach(), batch["ids"]))
        if loss.device.type == "cpu" or len(self._pending) >= _CHECK_EVERY:
            self.check_losses()
        self.last_loss = loss.detach()
        return loss

    def check_losses(self) -> None:
        """Raise when a loss since the last check was no number, naming the films of the first such batch.

        Raises:
            LossError: training cannot go on; what was kept before is still good.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        bad = (~torch.isfinite(torch.stack([loss for loss, _ in pending]))).nonzero().flatten().tolist()
        if bad:
            films = ", ".join(pending[bad[0]][1])
            raise LossError(
                None, f"the loss is no number any more (learning rate too high?); the batch was: {films}"
            )

    def check_weights(self) -> None:
        """Raise when a weight is no number, which a finite loss may just have made so.

        Raises:
            LossError: names the films of the last batch.
        """
        held = [p for p in self.network.state_dict().values() if p.is_floating_point()]
        if not torch.stack([torch.isfinite(p).all() for p in held]).all():
            raise LossError(
                None, f"the weights are no numbers any more (learning rate too high?); the last batch was: "
                f"{', '.join(self._last_films)}"
            )  # fmt: skip

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Average the weights after each optimiser step, not after each batch; stop after the last."""
        # not by Lightning's max_steps: with it, a resumed run repeats the end of the look that it was stopped in
        if self.trainer.global_step >= self.config.steps:
            self.trainer.should_stop = True
        if self.averaged is not None and (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self.average.update(self.averaged, self.network)

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        """Count pixels of the inner split, at training size."""
        target = expand(batch["planes"], batch["weights"], len(self.classes)) > 0.5
        found = self.scored(self._image(batch)) > 0
        both = (found & target).sum((2, 3))
        sizes = found.sum((2, 3)) + target.sum((2, 3))
        self._counts.append(torch.stack([both, sizes]).float())

    def on_validation_epoch_end(self) -> None:
        """The inner score: mean Dice over films and bones that are in either mask; and the same of each bone."""
        none = torch.zeros(2, 1, len(self.classes), device=self.device)
        both, sizes = torch.cat(self._counts, 1) if self._counts else none
        self._counts = []
        held = sizes > 0
        total, n = torch.where(held, 2 * both / sizes.clamp(min=1), 0).sum(0), held.sum(0).float()
        if self.trainer.world_size > 1:
            total, n = (self.all_gather(value).view(-1, len(self.classes)).sum(0) for value in (total, n))
        self.inner_dice = float(total.sum() / n.sum().clamp(min=1))
        self.inner_classes = torch.where(n > 0, total / n.clamp(min=1), math.nan).tolist()
        if not self.trainer.sanity_checking:
            self.plateau.look(self.inner_dice)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What a resumed run needs beyond weights and optimiser."""
        checkpoint["carpus"] = {
            "plateau": self.plateau.state_dict(),
            "averaged": self.average.count,
            "ended": bool(self.trainer.should_stop),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from :meth:`on_save_checkpoint`."""
        self.plateau.load_state_dict(checkpoint["carpus"]["plateau"])
        self.average.count = checkpoint["carpus"]["averaged"]
