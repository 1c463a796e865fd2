"""The candidates on real trainings: experiments drawn from the pool; writes a table of docs/statistics.md.

    python benchmarks/statistics/real.py [--reports 400] [--resampled 40] [--out docs/statistics.md]

An experiment takes some runs for each arm, none twice, and as many patients as the pool has, drawn with repeats. A/A:
both arms from the runs of A; the true difference is 0. A/B: arms from A and from B; the truth is the difference of the
two pools' means, bone by bone. Coverage, false alarms (A/A) and bones shown with the right sign (A/B) as in study.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
sys.path[:0] = [str(ROOT), str(HERE)]

from candidates import CANDIDATES, Pair, fast  # noqa: E402  (the path is set first)
from study import put_between, standard_errors  # noqa: E402

from train.compare.estimate import holm  # noqa: E402

BEGIN, END = "<!-- real: begin -->", "<!-- real: end -->"


def read_pool(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The pool by patient: two float64 (runs, patients, bones), of the bones that every patient has."""
    with np.load(path) as pool:
        films, groups = [pool[k].astype(float) for k in ("a", "b")], pool["groups"]
    patients = np.unique(groups)
    with np.errstate(invalid="ignore"):
        tables = [
            np.stack([np.nanmean(dice[:, groups == p], axis=1) if (groups == p).any() else 0 for p in patients], axis=1)
            for dice in films
        ]
    held = ~np.isnan(tables[0][0]).any(axis=0)
    return tables[0][:, :, held], tables[1][:, :, held]


def draw_pair(
    first: np.ndarray, second: np.ndarray | None, seeds: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Two arms of runs and patients drawn from the pool; ``second`` ``None``: both from the first pool."""
    patients = rng.integers(0, first.shape[1], first.shape[1])
    order = rng.permutation(len(first))
    a = first[order[:seeds]]
    b = first[order[seeds : 2 * seeds]] if second is None else second[rng.permutation(len(second))[:seeds]]
    return a[:, patients], b[:, patients]


def measure(
    first: np.ndarray, second: np.ndarray | None, seeds: int, reports: int, resampled: int
) -> dict[str, tuple[float, float]]:
    """Coverage, and reports with a false alarm (A/A) or the share of bones shown with the right sign (A/B)."""
    rng = np.random.default_rng(20261121)
    truth = np.zeros(first.shape[2]) if second is None else (second.mean(0) - first.mean(0)).mean(0)
    covered, told, tried = (dict.fromkeys(CANDIDATES, 0.0) for _ in range(3))
    for k in range(reports):
        a, b = draw_pair(first, second, seeds, rng)
        pair = Pair(a, b, rng)
        centred = pair.shifted(-truth)
        for name, candidate in CANDIDATES.items():
            if k >= resampled and not fast(candidate):
                continue
            tried[name] += 1
            _, inverted = candidate(centred)
            covered[name] += -1.0 if inverted is None else np.mean(inverted[~np.isnan(inverted)] >= 0.05)
            p, _ = candidate(pair)
            called = holm(p) <= 0.05
            if second is None:
                told[name] += called.any()
            else:
                told[name] += np.mean(called & (np.sign((b.mean(0) - a.mean(0)).mean(0)) == np.sign(truth)))
    return {n: (covered[n] / tried[n], told[n] / tried[n]) for n in CANDIDATES}


def main() -> None:
    """Draw the experiments and put the table between the markers of the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=400)
    parser.add_argument("--resampled", type=int, default=40)
    parser.add_argument("--pool", type=Path, default=HERE / "pool.npz")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/statistics.md")
    options = parser.parse_args()
    first, second = read_pool(options.pool)
    names = list(CANDIDATES)
    lines = [f"| | {' | '.join(names)} |", "|:--" + "|--:" * len(names) + "|"]
    for seeds in (2, 3, 5):
        for kind, other in (("A/A", None), ("A/B", second)):
            found = measure(first, other, seeds, options.reports, options.resampled)
            print(kind, seeds, {n: np.round(v, 3).tolist() for n, v in found.items()}, flush=True)
            for which, what in enumerate(("coverage", "false alarms" if other is None else "bones shown")):
                cells = ["-" if found[n][which] < 0 else f"{100 * found[n][which]:.1f}" for n in names]
                lines.append(f"| {kind}, {seeds} seeds: {what} | {' | '.join(cells)} |")
    truth = (second.mean(0) - first.mean(0)).mean(0)
    spread = first.mean(1).std(0, ddof=1)
    put_between(options.out, BEGIN, END, [
        f"{len(first)} runs of A (mean Dice {first.mean():.3f}) and {len(second)} of B ({second.mean():.3f}), "
        f"{first.shape[1]} patients, {first.shape[2]} bones, {100 * np.mean(first == 0):.0f}% of them missed.",
        f"The median SD of a bone's mean Dice over A's runs is {np.median(spread):.4f}, the median true difference "
        f"{np.median(truth):+.4f}.", standard_errors(options.reports, options.resampled), "", *lines,
    ])  # fmt: skip


if __name__ == "__main__":
    main()
