"""How near the estimate of ``train batch`` comes to what training steps take on the CPU.

    python -m benchmarks.train_memory

Each network in a process of its own: the growth of its largest resident memory over two steps, beside the estimate.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import torch

from train.config import load
from train.fit.batch import need_of
from train.fit.losses import Loss
from train.models.zoo import build

CASES = (("unet-lite0", 256, 4), ("demo", 192, 8), ("segformer-b0", 256, 4), ("unet++-resnet50", 128, 4))


def measure(preset: str, size: int, batch: int) -> str:
    """One line of results; to be called once a process."""
    config = load(preset, [f"size={size}", "weights=none"])
    network, loss = build(config, 29), Loss(config, [str(k) for k in range(29)])
    need = need_of(network, loss, config, 29).total(batch)
    weights = 4 * sum(p.numel() for p in network.parameters())
    optimiser = torch.optim.AdamW(network.parameters())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for _ in range(2):  # the optimiser's moments are there from the second on
        image = torch.rand(batch, 1, size, size) * 255
        target = (torch.rand(batch, 29, size, size) > 0.9).float()
        loss(network(image), target).backward()
        optimiser.step()
        optimiser.zero_grad()
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before + weights
    return (
        f"{preset}, {batch} samples of {size} pixels: estimated {need / 2**20:.0f} MiB, "
        f"measured {taken / 2**20:.0f} MiB ({need / taken:.2f} times)"
    )


def main() -> None:
    """Print a line a network."""
    if len(sys.argv) == 4:
        print(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
        return
    for case in CASES:
        subprocess.run([sys.executable, "-m", "benchmarks.train_memory", *map(str, case)], check=True)


if __name__ == "__main__":
    main()
