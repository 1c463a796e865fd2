"""What batch fits: on the CPU by counting what a step keeps in memory, on a GPU by trying."""

from __future__ import annotations

import contextlib
import copy
import gc
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from curate.errors import UsageError
from train import accelerator
from train.config import Config
from train.data.planes import expand
from train.fit.module import Segmenter
from train.fit.optim import make_optimiser
from train.models.zoo import Network, encoder_of

_SHARE = 0.9  # of the free memory that a step may take
_MOST = 4096  # samples
_WORKSPACE = 1.3  # what convolutions and copies take besides, measured on UNet, FPN and SegFormer


@dataclass(frozen=True)
class Need:
    """Bytes that a training step needs: ``fixed`` whatever the batch, ``sample`` more for each sample."""

    fixed: int
    sample: int

    def total(self, batch: int) -> int:
        """Of a batch."""
        return self.fixed + batch * self.sample

    def fits(self, free: int) -> int:
        """The largest batch that needs no more than ``free`` bytes; 0: none does."""
        return max(0, (free - self.fixed) // self.sample)


def need_of(network: Network, loss: torch.nn.Module, config: Config, n_classes: int) -> Need:
    """Count what a step in 32 bits keeps, without computing it.

    A copy of the network without data (torch's ``meta`` device) goes forward, and every tensor that the backward pass
    would need is counted once. Beside them a step holds weights, gradients, the optimiser's two moments and the
    average, and at its peak the gradients of the largest tensors.

    Returns:
        an estimate, for what the convolutions' own workspaces take is a mean of a few networks.
    """
    side = config.patch or config.size
    twin, judge = copy.deepcopy(network).to("meta").train(), copy.deepcopy(loss).to("meta")
    own = {p.untyped_storage()._cdata for p in twin.parameters()}
    kept: dict[int, torch.Tensor] = {}
    batch = 2  # one sample a channel is too little for the batch norm of a pooled picture

    def count(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)  # held, so that no other tensor gets its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        image = torch.zeros(batch, 1, side, side, device="meta")
        target = torch.zeros(batch, n_classes, side, side, device="meta")
        judge(twin(image), target)
    sizes = [tensor.untyped_storage().nbytes() for key, tensor in kept.items() if key not in own]
    largest = max(sizes, default=0)
    weights = sum(p.numel() for p in twin.parameters()) * 4
    copies = 4 + (config.ema > 0)
    return Need(weights * copies, int(_WORKSPACE * (sum(sizes) + 2 * largest)) // batch)


def free_memory() -> int | None:
    """Bytes of main memory that a new process could take; ``None`` where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
    try:  # a container's own limit
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        free = min(free, limit - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return free


def check_batch(module: Segmenter) -> None:
    """Refuse, before training on the CPU, a batch that cannot fit.

    Raises:
        UsageError: says what would fit.
    """
    free = free_memory()
    if accelerator.present() or free is None:
        return
    config = module.config
    if config.loss == "set":  # the matching of queries cannot be counted without data
        return
    need = need_of(module.network, module.loss, config, len(module.classes))
    processes = config.devices
    if need.total(config.batch) * processes > free:
        raise UsageError("batch", _told(config, need.fits(int(_SHARE * free) // processes), need, free))


def _told(config: Config, fits: int, need: Need | None = None, free: int = 0) -> str:
    side = config.patch or config.size
    rest = f"batch={fits} would fit" if fits else "not even one would; a smaller size or network is needed"
    if need is None:
        left, whole = (value / 2**30 for value in accelerator.free_memory())
        return (
            f"{config.batch} samples of {side} pixels do not fit the GPU, of whose {whole:.1f} GiB {left:.1f} are "
            f"free; {rest}"
        )
    about = f"need about {need.total(config.batch) / 2**30:.1f} GiB, {free / 2**30:.1f} are free"
    return f"{config.batch} samples of {side} pixels {about}; {rest}"


def largest_batch(attempt: Callable[[int], bool], most: int = _MOST) -> int:
    """The largest batch that fits, by doubling and then halving the gap.

    Args:
        attempt: whether a batch of this size fits; what fits is taken to fit with fewer samples too, but that one
            sample alone is tried last: there are networks that cannot be trained on it.
        most: not more than this is tried.

    Returns:
        0 where not even one sample fits.
    """
    good, bad = 0, most + 1
    size = min(2, most)
    while good < size < bad:
        if attempt(size):
            good, size = size, min(size * 2, most)
        else:
            bad = size
    while good + 1 < bad <= most:
        middle = (good + bad) // 2
        if attempt(middle):
            good = middle
        else:
            bad = middle
    return good


def attempt_on_gpu(network: Network, loss: torch.nn.Module, config: Config, n_classes: int) -> Callable[[int], bool]:
    """Whether a batch survives two whole steps on the GPU, as the configuration would take them."""

    def attempt(batch: int) -> bool:
        fits = True
        try:
            _two_steps(network, loss, config, n_classes, batch)
        except (RuntimeError, ValueError) as error:
            if not (accelerator.is_short(error) or accelerator.is_lone(error)):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold what did fit
            fits = False
        accelerator.release()
        return fits

    return attempt


def _two_steps(network: Network, loss: torch.nn.Module, config: Config, n_classes: int, batch: int) -> None:
    """Two, because the optimiser's moments are there from the second on."""
    device, side = accelerator.device(), config.patch or config.size
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision)
    twin, judge = copy.deepcopy(network).to(device).train(), copy.deepcopy(loss).to(device)
    held = [copy.deepcopy(twin)] if config.ema else []
    if config.devices * config.nodes > 1:  # gradients lie in buckets too, to be sent to the other devices
        held.append(copy.deepcopy(twin))
    optimiser = make_optimiser(twin, encoder_of(twin), config)
    for _ in range(2):
        image = torch.zeros(batch, 1, side, side, device=device)
        planes = torch.zeros(batch, 1, side, side, device=device, dtype=torch.int32 if n_classes <= 32 else torch.int64)
        target = expand(planes, None, n_classes)
        if config.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, kind, cache_enabled=False) if kind else contextlib.nullcontext():
            found = twin.set_loss(image, target + 1) if config.loss == "set" else judge(twin(image), target)
        found.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), config.clip or 1.0)
        optimiser.step()
        optimiser.zero_grad()


def too_large(module: Segmenter) -> UsageError:
    """The error for a batch that did not fit: on a GPU it says what would, after trying."""
    config, n_classes = module.config, len(module.classes)
    module.to("cpu")
    module.zero_grad()
    gc.collect()
    accelerator.release()
    if accelerator.present():
        try_it = attempt_on_gpu(module.network, module.loss, config, n_classes)
        return UsageError("batch", _told(config, largest_batch(try_it, config.batch - 1)))
    free = free_memory() or 0
    if config.loss == "set":
        return UsageError("batch", f"{config.batch} samples do not fit the memory; {free / 2**30:.1f} GiB are free")
    need = need_of(module.network, module.loss, config, n_classes)
    fits = min(need.fits(int(_SHARE * free)), config.batch - 1)
    return UsageError("batch", _told(config, fits, need, free))


def find_batch(network: Network, loss: torch.nn.Module, config: Config, n_classes: int) -> tuple[int, str]:
    """The largest batch that fits this machine, and how that is known.

    Raises:
        UsageError: the system does not say how much memory is free.
    """
    if accelerator.present():
        found = largest_batch(attempt_on_gpu(network, loss, config, n_classes))
        return found, f"tried on {accelerator.name()}"
    if config.loss == "set":
        raise UsageError("batch", "what mask2former's matching keeps is known only from trying, on a GPU")
    free = free_memory()
    if free is None:
        raise UsageError("batch", "this system does not say how much memory is free")
    need = need_of(network, loss, config, n_classes)
    told = f"estimated: {need.sample / 2**20:.0f} MiB a sample, {free / 2**30:.1f} GiB free"
    return min(need.fits(int(_SHARE * free)), _MOST), told
