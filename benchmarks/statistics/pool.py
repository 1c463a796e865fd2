"""A pool of small real trainings, made once, for the statistics to be tried on: ``pool.npz``.

    python benchmarks/statistics/pool.py WORK [--runs 30] [--others 10] [--out benchmarks/statistics/pool.npz]

Makes a phantom of 64 films of 32 patients in WORK and trains a small network on half of them from many seeds, scored
on the other half: ``--runs`` times on the films as they are (A), ``--others`` times with mosaics beside them (B). A run
that is there is not made again. Kept are the Dice of every run, film and bone. Any two sets of runs of A are an A/A
comparison: nothing differs but the seeds. Sets of A and of B are a comparison whose truth is the pools' difference.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from curate.manifest.store import Manifest
from train import evaluate as scoring
from train.arms import Arm, plan_arms
from train.compare.arm import read_arm
from train.config import Config, load
from train.fit import fit_run
from train.progress import Reporter
from train.runs import arm_folder

SETTINGS = (
    "architecture=fpn", "encoder=tf_efficientnet_lite0",
    "model={decoder_pyramid_channels: 64, decoder_segmentation_channels: 64}", "size=96", "batch=2", "steps=60",
    "lr=0.003", "schedule=poly", "channels_last=true", "predictions=32", "workers=0",
)  # fmt: skip


def prepared(work: Path) -> Manifest:
    """The phantom with its split (v2) and with mosaics (v3)."""
    if not (work / "data_manifest.yaml").exists():
        commands = Path(sys.executable).parent
        for command in (
            ["curate", "demo", work, "--n", "64", "--size", "256"],
            ["curate", "init", work],
            ["curate", "split", "--folds", "2", "--test", "0", "--data", work],
            ["augment", "mosaic", "--n", "32", "--virtual", "--data", work],
        ):
            subprocess.run([commands / command[0], *map(str, command[1:])], check=True)
    return Manifest.find(work)


def trained(arm: Arm, config: Config, runs: Path, seeds: range) -> np.ndarray:
    """Dice of runs of some seeds: float32 (seeds, films, bones), NaN where the bone is absent."""
    for seed in seeds:
        since = time.monotonic()
        fit_run(arm, seed, config, runs, Reporter(quiet=True))
        print(f"{arm.version.name}: seed {seed}, {time.monotonic() - since:.0f} s", flush=True)
    read = read_arm(arm_folder(runs, arm, config))
    order = sorted(range(len(read.seeds)), key=lambda i: int(read.seeds[i]))
    return np.where(read.present, read.scores["dice"], np.nan)[order].astype(np.float32)


def main() -> None:
    """Make the data set, train, keep the Dice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--others", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pool.npz"))
    options = parser.parse_args()
    # Dice alone: distances of surfaces would take longer than the trainings
    scoring.score_planes = partial(scoring.score_planes, boundary=False)
    manifest, config, runs = prepared(options.work), load(None, SETTINGS), options.work / "runs"
    arms = plan_arms(manifest, ["v2", "v3"], 0, config.inner)
    found = [trained(a, config, runs, range(n)) for a, n in zip(arms, (options.runs, options.others), strict=True)]
    read = read_arm(arm_folder(runs, arms[0], config))
    np.savez_compressed(
        options.out, a=found[0], b=found[1], groups=np.array(read.groups), classes=np.array(read.classes)
    )
    print(f"mean Dice {np.nanmean(found[0]):.3f} and {np.nanmean(found[1]):.3f}: {options.out}")


if __name__ == "__main__":
    main()
