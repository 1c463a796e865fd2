"""What batch fits: on the CPU by counting what a step keeps in memory, on a GPU by trying."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from curate.errors import UsageError
from train.config import Config
from train.fit.module import Segmenter
from train.models.zoo import Network

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
    if torch.cuda.is_available() or free is None:
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
        return f"{config.batch} samples of {side} pixels do not fit the GPU; {rest}"
    about = f"need about {need.total(config.batch) / 2**30:.1f} GiB, {free / 2**30:.1f} are free"
    return f"{config.batch} samples of {side} pixels {about}; {rest}"


def largest_batch(attempt: Callable[[int], bool], most: int = _MOST) -> int:
    """The largest batch that fits, by doubling and then halving the gap.

    Args:
        attempt: whether a batch of this size fits; what fits is taken to fit with fewer samples too.
        most: not more than this is tried.

    Returns:
        0 where not even one sample fits.
    """
    good, bad = 0, None
    size = 1
    while bad is None and size <= most:
        if attempt(size):
            good, size = size, size * 2
        else:
            bad = size
    while bad is not None and bad - good > 1:
        middle = (good + bad) // 2
        if attempt(middle):
            good = middle
        else:
            bad = middle
    return good


def attempt_on_gpu(network: Network, loss: torch.nn.Module, config: Config, n_classes: int) -> Callable[[int], bool]:
    """Whether a batch survives two whole steps on the GPU, at the configuration's precision."""
    device = torch.device("cuda")
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    side = config.patch or config.size

    def attempt(batch: int) -> bool:
        twin, judge = copy.deepcopy(network).to(device).train(), copy.deepcopy(loss).to(device)
        optimiser = torch.optim.AdamW(twin.parameters())
        try:
            for _ in range(2):  # the optimiser's moments are there from the second on
                image = torch.zeros(batch, 1, side, side, device=device)
                target = torch.zeros(batch, n_classes, side, side, device=device)
                if config.channels_last:
                    image = image.contiguous(memory_format=torch.channels_last)
                kind = kinds.get(config.precision)
                with torch.autocast("cuda", dtype=kind or torch.float32, enabled=kind is not None):
                    found = twin.set_loss(image, target + 1) if config.loss == "set" else twin(image)
                (found if config.loss == "set" else judge(found, target)).backward()
                optimiser.step()
                optimiser.zero_grad()
        except torch.cuda.OutOfMemoryError:
            return False
        finally:
            del twin, optimiser
            torch.cuda.empty_cache()
        return True

    return attempt


def too_large(module: Segmenter) -> UsageError:
    """The error for a batch that did not fit the GPU: it says what would, after trying."""
    torch.cuda.empty_cache()
    config = module.config
    module.to("cpu")
    try_it = attempt_on_gpu(module.network, module.loss, config, len(module.classes))
    return UsageError("batch", _told(config, largest_batch(try_it, config.batch - 1)))


def find_batch(network: Network, loss: torch.nn.Module, config: Config, n_classes: int) -> tuple[int, str]:
    """The largest batch that fits this machine, and how that is known.

    Raises:
        UsageError: the system does not say how much memory is free.
    """
    if torch.cuda.is_available():
        found = largest_batch(attempt_on_gpu(network, loss, config, n_classes))
        return found, f"tried on {torch.cuda.get_device_name()}"
    if config.loss == "set":
        raise UsageError("batch", "what mask2former's matching keeps is known only from trying, on a GPU")
    free = free_memory()
    if free is None:
        raise UsageError("batch", "this system does not say how much memory is free")
    need = need_of(network, loss, config, n_classes)
    told = f"estimated: {need.sample / 2**20:.0f} MiB a sample, {free / 2**30:.1f} GiB free"
    return min(need.fits(int(_SHARE * free)), _MOST), told
