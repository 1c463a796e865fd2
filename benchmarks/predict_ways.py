"""Mean Dice of a run on the films it was scored on, by the ways in which `train predict` can look at them.

    python -m benchmarks.predict_ways RUN [--refine CROP_RUN] [--region carpal]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from curate.presets import REGIONS
from train.accelerator import device
from train.evaluate import true_plane
from train.predict.predictor import Predictor, find_members
from train.predict.refine import Refiner
from train.reopen import open_run
from train.scores import score_planes


def main() -> None:
    """Print a line a way: mean over all bones, and over those of the region."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--refine", type=Path, help="a run trained on crops of the region")
    parser.add_argument("--region", default="carpal")
    given = parser.parse_args()
    on, opened = device(), open_run(given.run)
    members = find_members([given.run], on)
    size = members[0].size
    ways = {
        "whole": Predictor(members, on),
        "flip": Predictor(members, on, tta=("flip",)),
        "flip, scale, rotate": Predictor(members, on, tta=("flip", "scale", "rotate")),
        f"at {4 * size // 3}": Predictor(members, on, size=4 * size // 3),
        "again from near, same run": Predictor(members, on, refiner=Refiner(given.region, members, on, own=True)),
    }
    if given.refine is not None:
        crops = find_members([given.refine], on)
        ways["again from near, run of crops"] = Predictor(members, on, refiner=Refiner(given.region, crops, on))
    bits = [opened.classes.index(bone) for bone in REGIONS[given.region] if bone in opened.classes]
    found: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for row in opened.films():
        gray, truth = opened.reader.image(row.id), true_plane(opened.reader, row, opened.classes)
        for name, predictor in ways.items():
            scores = score_planes(predictor.plane(gray), truth, len(opened.classes), boundary=False)
            found[name].append(np.array([score.dice for score in scores]))
    for name, dice in found.items():
        table = np.stack(dice)
        print(f"{name:32} all {np.nanmean(table):.4f}  {given.region} {np.nanmean(table[:, bits]):.4f}")


if __name__ == "__main__":
    main()
