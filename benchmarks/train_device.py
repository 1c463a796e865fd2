"""How long training waits for data, and what it loses against a model fed from the device's own memory.

    python -m benchmarks.train_device [--data FOLDER] [--manifest v1] [--presets unet++-resnet50 segformer-b0]
                                      [--sizes 512 1024] [--steps 60] [--set key=value ...]

Without a folder, on a phantom of 24 films of 1024 pixels that it makes itself. For each preset and size: steps a second
of the network on one batch that already lies on the device; steps a second of the whole training, Lightning, loader
processes and augmentation included; the share of time between the end of a step and the arrival of the next batch; and
the memory that a sample takes: the most that training held, without weights, gradients and moments, over the batch. The
waits are timed in steps of their own, each of them ended on the device too, so that timing slows none of those that are
counted. Made for a GPU (bf16 there); on a CPU it runs the same, to show that it does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from curate.cli import app as curate
from curate.manifest import Manifest
from curate.terminal import run
from train.arms import make_arm
from train.config import Config, load
from train.data.draws import DrawSampler, loader_workers, make_loader
from train.data.feed import open_store, prepare_arm, training_set
from train.data.planes import expand
from train.fit.devices import make_trainer, quiet_lightning
from train.fit.module import Segmenter
from train.fit.optim import make_optimiser
from train.models.zoo import build, encoder_of
from train.progress import Reporter
from train.runs import RunFolder
from train.stack import lightning

WARM = 10  # steps before anything is timed
TARGET = 0.05  # share of time waiting


class Clock(lightning.pytorch.Callback):
    """Times a training: after some steps to warm up so many undisturbed, then as many whose waits are timed.

    Attributes:
        per_second: undisturbed steps. waited: share of the other steps' time from the end of one, on the device too,
            to the arrival of the next batch.
    """

    def __init__(self, steps: int) -> None:
        self.free, self.steps = WARM + steps, steps
        self.since = self.ended = self.waits = 0.0
        self.per_second = self.waited = 0.0

    def on_train_batch_start(self, trainer: Any, module: Segmenter, batch: Any, batch_idx: int) -> None:
        """The batch is there."""
        if trainer.global_step >= self.free:
            self.waits += time.perf_counter() - self.ended

    def on_train_batch_end(self, trainer: Any, module: Segmenter, outputs: Any, batch: Any, batch_idx: int) -> None:
        """A step was asked for; from the counted ones on, it is done too."""
        step = trainer.global_step
        if step != WARM and step < self.free:
            return
        synchronise()
        self.ended = time.perf_counter()
        if step == self.free:
            self.per_second = self.steps / (self.ended - self.since)
        elif step == self.free + self.steps:
            self.waited = self.waits / (self.ended - self.since)
        if step in (WARM, self.free):
            self.since = self.ended


def phantom(root: Path) -> Path:
    """A data set to train on, made by the package's own commands."""
    for words in (["demo", str(root), "--n", "24", "--size", "1024"], ["init", str(root)]):
        if run(curate, words):
            raise SystemExit(f"curate {' '.join(words)} failed")
    return root


def synchronise() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def on_device(module: Segmenter, batch: dict[str, Any], config: Config, steps: int) -> float:
    """Steps a second on one batch that is on the device."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module = module.to(device).train()
    batch = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
    optimiser = make_optimiser(module.network, encoder_of(module.network), config)
    since = 0.0
    for step in range(WARM + steps):
        if step == WARM:
            synchronise()
            since = time.perf_counter()
        # as Lightning's: no cache of cast weights between operations
        with torch.autocast(device.type, torch.bfloat16, config.precision == "bf16", cache_enabled=False):
            image = module._image(batch)
            target = expand(batch["planes"], batch["weights"], len(module.classes))
            loss = module.loss(module.network(image), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), config.clip)
        optimiser.step()
        optimiser.zero_grad()
    synchronise()
    return steps / (time.perf_counter() - since)


def measure(manifest: Manifest, version: str, config: Config, cache: Path, steps: int) -> str:
    """One line of results."""
    arm = make_arm(manifest.version(version), manifest.version(version), 0)
    store = open_store(cache, config, manifest.classes)
    prepare_arm(arm, store, config, Reporter(quiet=True))
    torch.manual_seed(0)
    films = training_set(arm, store, config, 0)
    sampler = DrawSampler(len(arm.training), config.steps * config.batch, 0)
    gpu = torch.cuda.is_available()
    loader = make_loader(films, sampler, config.batch, loader_workers(config.workers), gpu)
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    network = build(config, len(manifest.classes))
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    module = Segmenter(network, config, manifest.classes, 0)
    clock = Clock(steps)
    with tempfile.TemporaryDirectory() as folder, quiet_lightning(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make_trainer(config, RunFolder(Path(folder)), [], [clock], module.network).fit(module, loader)
    batch = next(iter(make_loader(films, sampler, config.batch, 0, False)))
    fixed = 4 * sum(p.numel() * p.element_size() for p in module.network.parameters())
    per_sample = (torch.cuda.max_memory_allocated() - fixed) / 2**20 / config.batch if gpu else 0
    taken = f"{per_sample:.0f} MiB of the GPU a sample and {fixed / 2**20:.0f} for the weights, " if gpu else ""
    sent = sum(batch[key].numel() * batch[key].element_size() for key in ("image", "planes")) / config.batch / 2**20
    ideal = on_device(module, batch, config, steps)
    ours, share = clock.per_second, clock.waited
    return (
        f"{steps} steps of {config.batch}: {ours:.2f} a second, {ideal:.2f} with tensors on the device "
        f"({ours / ideal:.0%}); waiting for data {share:.1%} ({TARGET:.0%} asked for: "
        f"{'met' if share < TARGET else 'NOT met'}); {taken}{sent:.2f} MiB sent a sample"
    )


def main() -> None:
    """Print a line a preset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a data set; a phantom by default")
    parser.add_argument("--manifest", default="v1", help="version")
    parser.add_argument("--presets", nargs="+", default=["unet++-resnet50", "segformer-b0"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    given = parser.parse_args()
    gpu = torch.cuda.is_available()
    print(torch.cuda.get_device_name() if gpu else "CPU: the figures say nothing about a GPU")
    with tempfile.TemporaryDirectory() as folder:
        manifest = Manifest.find(given.data or phantom(Path(folder) / "phantom"))
        cache = Path(folder) / "cache"
        for preset, size in zip(given.presets, given.sizes, strict=True):
            total = 2 * given.steps + WARM
            fixed = [f"size={size}", f"steps={total}", f"checkpoint_every={total}", "weights=none"]
            fixed += ["ema=0", "accumulate=1"]  # a step is a batch, on either side
            config = load(preset, [*fixed, *(["precision=bf16", "channels_last=true"] if gpu else []), *given.settings])
            line = measure(manifest, given.manifest, config, cache, given.steps)
            print(f"{preset} at {size} pixels, augment={config.augment}: {line}", flush=True)


if __name__ == "__main__":
    main()
