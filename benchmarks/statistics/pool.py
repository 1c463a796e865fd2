"""A pool of small real trainings, made once, for the statistics to be tried on: ``pool.npz``.

    python benchmarks/statistics/pool.py WORK [--runs 28] [--others 10] [--out benchmarks/statistics/pool.npz]

Makes a phantom of 64 films of 32 patients in WORK and trains a small network on half of them from many seeds, scored
on the other half: ``--runs`` times (A), and ``--others`` times with half as many steps (B). A run that is there is not
made again. Kept are the Dice of every run, film and bone. Any two sets of runs of A are an A/A comparison: nothing
differs but the seeds. Sets of A and of B are a comparison whose truth is the pools' difference.
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
from train.fit.run import fit_run
from train.progress import Reporter

SETTINGS = (
    "architecture=fpn", "encoder=tf_efficientnet_lite0",
    "model={decoder_pyramid_channels: 64, decoder_segmentation_channels: 64}", "size=96", "batch=2", "steps=60",
    "lr=0.003", "schedule=poly", "channels_last=true", "predictions=32", "workers=0",
)  # fmt: skip
OTHERWISE = ("steps=30",)


def prepared(work: Path) -> Manifest:
    """The phantom with its split (v2)."""
    if not (work / "data_manifest.yaml").exists():
        commands = Path(sys.executable).parent
        for command in (
            ["curate", "demo", work, "--n", "64", "--size", "256"],
            ["curate", "init", work],
            ["curate", "split", "--folds", "2", "--test", "0", "--data", work],
        ):
            subprocess.run([commands / command[0], *map(str, command[1:])], check=True)
    return Manifest.find(work)


def trained(arm: Arm, config: Config, runs: Path, seeds: range) -> tuple[np.ndarray, list[str], list[str]]:
    """Runs of some seeds: Dice, float32 (seeds, films, bones), NaN where the bone is absent; patients; bones."""
    dice = []
    for seed in seeds:
        since = time.monotonic()
        folder = fit_run(arm, seed, config, runs, Reporter(quiet=True)).folder.path
        read = read_arm(folder)
        dice.append(np.where(read.present, read.scores["dice"][0], np.nan).astype(np.float32))
        print(f"{config.steps} steps, seed {seed}: {time.monotonic() - since:.0f} s", flush=True)
    return np.stack(dice), list(read.groups), list(read.classes)


def main() -> None:
    """Make the data set, train, keep the Dice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--runs", type=int, default=28)
    parser.add_argument("--others", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pool.npz"))
    options = parser.parse_args()
    # Dice alone: distances of surfaces would take longer than the trainings
    scoring.score_planes = partial(scoring.score_planes, boundary=False)
    manifest, runs = prepared(options.work), options.work / "runs"
    arm = plan_arms(manifest, ["v2"], 0)[0]
    a, groups, classes = trained(arm, load(None, SETTINGS), runs, range(options.runs))
    b, _, _ = trained(arm, load(None, (*SETTINGS, *OTHERWISE)), runs, range(options.others))
    np.savez_compressed(options.out, a=a, b=b, groups=np.array(groups), classes=np.array(classes))
    print(f"mean Dice {np.nanmean(a):.3f} and {np.nanmean(b):.3f}: {options.out}")


if __name__ == "__main__":
    main()
