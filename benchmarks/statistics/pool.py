"""A pool of small real trainings, made once, for the statistics to be tried on: ``pool.npz``.

    python benchmarks/statistics/pool.py WORK [--runs 40] [--out benchmarks/statistics/pool.npz]

Makes a phantom of 64 films of 32 patients in WORK and trains a tiny network on it from many seeds, half a minute each
on a core. Kept are the Dice of every run, film and bone. Any two sets of runs are an A/A comparison: nothing differs
but the seeds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from curate.manifest.store import Manifest
from train import evaluate as scoring
from train.compare.arm import read_arm
from train.config import load
from train.experiment import plan_arms
from train.fit import fit_run
from train.progress import Reporter
from train.runs import arm_folder

SETTINGS = (
    "architecture=fpn", "encoder=tu-mobilenetv3_small_050", "weights=none",
    "model={decoder_pyramid_channels: 32, decoder_segmentation_channels: 32}", "size=64", "batch=4", "steps=150",
    "lr=0.008", "predictions=32", "workers=0",
)  # fmt: skip


def main() -> None:
    """Make the data set, train, keep the Dice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pool.npz"))
    options = parser.parse_args()
    if not (options.work / "data_manifest.yaml").exists():
        commands = Path(sys.executable).parent
        for command in (
            ["curate", "demo", options.work, "--n", "64", "--size", "256"],
            ["curate", "init", options.work],
            ["curate", "split", "--folds", "2", "--test", "0", "--data", options.work],
        ):
            subprocess.run([commands / command[0], *map(str, command[1:])], check=True)
    # Dice alone: distances of surfaces would take longer than the trainings
    scoring.score_planes = partial(scoring.score_planes, boundary=False)
    manifest, config = Manifest.find(options.work), load(None, SETTINGS)
    arm, runs = plan_arms(manifest, ["v2"], 0, config)[0], options.work / "runs"
    for seed in range(options.runs):
        fit_run(arm, seed, config, runs, Reporter(quiet=True))
        print(f"{seed + 1} of {options.runs}", flush=True)
    read = read_arm(arm_folder(runs, arm, config))
    dice = np.where(read.present, read.scores["dice"], np.nan).astype(np.float16)
    np.savez_compressed(options.out, dice=dice, groups=np.array(read.groups), classes=np.array(read.classes))


if __name__ == "__main__":
    main()
