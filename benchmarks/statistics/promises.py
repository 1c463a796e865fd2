"""Promises that the tables of the study do not hold: equivalence at its margin, "seen", one-sided rare misses.

    python benchmarks/statistics/promises.py [--reports 100]

Prints, for some numbers of patients and seeds: the share of bones called equivalent whose true difference is the
margin (at most 2.5%); the share of bones shown at Holm's first step whose true difference is what such an experiment is
said to see (80%); the coverage of intervals where arm B misses a bone in 2% of patients and A in none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from simulate import Scenario, draw  # noqa: E402  (the path is set first)

from train.compare.estimate import difference  # noqa: E402
from train.compare.power import Variances, detectable  # noqa: E402

MARGIN, MISSED = 0.01, 0.02
LEVEL = 0.93  # mean Dice of a simulated bone of middle size


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=100)
    options = parser.parse_args()
    rng = np.random.default_rng(20261121)
    print(f"{'':22} {'equivalent':>10} {'seen':>6} {'covered':>8}")
    for patients in (5, 8, 20, 80):
        for seeds in (2, 3, 5):
            # bones alike, whose variances are those of the study's middle bone
            world = Scenario(patients=patients, seeds=seeds, spread=1.0)
            v = Variances(world.seed_sd, world.response_sd, world.residual_sd)
            alpha = 0.05 / world.classes
            seen = detectable(v, patients, seeds, alpha)
            truth = -MISSED * LEVEL
            equal, shown, covered, bones = 0, 0, 0, 0
            for _ in range(options.reports):
                a, b, _ = draw(world, rng)
                lost = np.where(rng.random(b.shape) < MISSED, 0.0, b)
                for k in range(world.classes):
                    low, high = difference(a[:, :, k], b[:, :, k] + MARGIN).interval()
                    equal += low >= -MARGIN and high <= MARGIN
                    shown += difference(a[:, :, k], b[:, :, k] + seen).strict_p <= alpha
                    low, high = difference(a[:, :, k], lost[:, :, k]).interval()
                    covered += low <= truth <= high
                    bones += 1
            told = f"{patients} patients, {seeds} seeds"
            print(f"{told:22} {100 * equal / bones:9.1f}% {100 * shown / bones:5.0f}% {100 * covered / bones:7.1f}%")


if __name__ == "__main__":
    main()
