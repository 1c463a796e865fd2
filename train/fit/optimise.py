"""The optimisation of one run: network, loaders and Lightning's trainer, from a checkpoint where there is one."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from curate.errors import CarpusError, UsageError
from train import accelerator
from train.arms import Arm
from train.config import Config
from train.data.draws import DrawSampler, loader_workers, make_loader
from train.data.feed import inner_set, training_set
from train.data.store import DigestStore
from train.fit.batch import check_batch, too_large
from train.fit.callbacks import EarlyStop, Journal, Keeper
from train.fit.checkpoint import read_checkpoint
from train.fit.devices import look_length, make_trainer, quiet_lightning
from train.fit.loggers import Board, make_loggers
from train.fit.module import LossError, Segmenter
from train.fit.ranks import leads
from train.models.zoo import Initial, build, initialise
from train.progress import Reporter
from train.runs import RunFolder
from train.stack import lightning


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
        f"of {config.batch * config.accumulate}; {initial.note}; on {accelerator.name()}"
    )
    if remark := accelerator.remark(config.precision):
        reporter.line(f"{name}: {remark}")
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    module = Segmenter(network, config, store.classes, seed)
    world = config.devices * config.nodes
    look = look_length(config)
    films = training_set(arm, store, config, seed)
    sampler = DrawSampler(len(arm.training), look * config.batch * config.accumulate * world, seed, world)
    workers, pin = loader_workers(config.workers), accelerator.present()
    inner = make_loader(inner_set(arm, store, config), None, config.batch, 0, pin) if arm.inner else None
    check_batch(module)
    state = read_checkpoint(folder.resume)
    if state is None or not state["carpus"]["ended"]:
        if state is not None:
            reporter.line(f"{name}: goes on from step {state['global_step']}")
        loader = make_loader(films, sampler, config.batch, workers, pin)
        shown = inner_set(arm, store, config) if arm.inner else films
        from_step = state["global_step"] if state is not None else 0
        loggers = make_loggers(config, folder, name, from_step)
        callbacks = [*_callbacks(config, folder, name, reporter), *([Board(shown)] if loggers else []), *also]
        _fit(make_trainer(config, folder, loggers, callbacks, network), module, loader, inner, folder.resume)
        if not leads(config):  # the checkpoint is the leader's, who may have done with it by now
            return config.steps, initial, module.scored.cpu()
        state = read_checkpoint(folder.resume)
    # from the file, for with several processes the module trained here may not be the one in this process
    module.load_state_dict(state["state_dict"])
    return state["global_step"], initial, module.scored.cpu()


def _fit(trainer: Any, module: Segmenter, loader: Any, inner: Any, resume: Path) -> None:
    short = None
    with warnings.catch_warnings(), quiet_lightning():
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*(num_workers|lr_scheduler.step|isinstance.*LeafSpec).*")
        try:
            trainer.fit(module, loader, inner, ckpt_path=resume if resume.is_file() else None, weights_only=True)
        except LossError as error:
            kept = read_checkpoint(resume)
            at = f"step {kept['global_step']} is kept in {resume.name}" if kept else "none was kept before it"
            raise LossError(None, f"{error.detail}; of the checkpoints, {at}") from error
        except torch.multiprocessing.ProcessRaisedException as error:
            raise _told_by_process(str(error), module.config) or error from error
        except torch.multiprocessing.ProcessExitedException as error:
            raise CarpusError(None, f"a process of several died (out of memory?): {error}") from error
        except (RuntimeError, ValueError) as error:
            if accelerator.is_short(error):
                short = error
                traceback.clear_frames(error.__traceback__)  # they hold the activations that did not fit
            elif told := _told_by_torch(error, module.config):
                raise told from error
            else:
                raise
        except SystemExit as error:  # Lightning's way to say that it was interrupted from the keyboard
            raise KeyboardInterrupt from error
    if short is not None:
        raise too_large(module) from short


def _told_by_torch(error: Exception, config: Config) -> CarpusError | None:
    """What an error of torch's means for the configuration; ``None`` where it is a fault of ours."""
    reason = " ".join(str(error).split(". ")[0].split())[:200]
    if accelerator.is_lone(error) and config.batch > 1:
        side = config.patch or config.size
        return UsageError("patch" if config.patch else "size", f"{side} pixels are too few for this network")
    if accelerator.is_lone(error):
        return UsageError("batch", f"{config.batch}: this network's batch norm needs two samples a step and device")
    if "deterministic" in reason:
        return UsageError("deterministic", f"this network has a kernel that is not: {reason}")
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return UsageError("compile", f"torch.compile cannot take this network on this machine: {reason}")
    if "CUDA error" in reason:
        return CarpusError(None, f"the GPU failed: {reason}; with CUDA_VISIBLE_DEVICES= in front, the CPU is taken")
    return None


def _told_by_process(text: str, config: Config) -> CarpusError | None:
    """What one of several processes said when it stopped, if that was an error of ours or too large a batch.

    Args:
        text: what torch tells of it, a traceback.
    """
    kind, _, told = text.strip().splitlines()[-1].partition(": ")
    if kind.endswith("OutOfMemoryError"):
        return UsageError("batch", f"{config.batch} samples a device do not fit the GPU; train batch says what would")
    if kind.startswith(("curate.errors.", "train.")):
        return CarpusError(None, told)
    return None


def _callbacks(config: Config, folder: RunFolder, name: str, reporter: Reporter) -> list[Any]:
    stop = [EarlyStop(config.patience)] if config.patience else []
    return [*stop, Journal(folder.log, name, reporter.console.quiet), Keeper(folder.resume)]
