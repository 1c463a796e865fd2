"""Train the judges of bright patches: ``python -m benchmarks.flags.boost --data ../shared/data/radiographs``.

Pictures with metal composed in, and the films themselves, of the half of the studies that is learnt from; each
bright patch
on them is metal worn, metal in bone, or neither. Gradient-boosted trees (Friedman 2001; Newton steps on histograms).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.flags.halves import LEARNT, halves_of
from benchmarks.flags.marks import Marked
from benchmarks.flags.sample import Source, picture_and_target
from curate.flags import overview
from curate.flags.candidates import NAMES, SIDE, find
from curate.flags.net import STRIDE
from curate.flags.perception import perceive
from curate.flags.trees import DEPTH, logits

WEIGHTS = Path(__file__).resolve().parents[2] / "curate" / "flags" / "weights"
KINDS = ("jewellery", "implant")
"""What a bright patch can be."""

VERDICTS = ("cast", "not-a-hand", "multiple-views", "bent-finger")
"""What can be said of a film."""

BINS = 40


def film_weights(films: list[Marked]) -> np.ndarray:
    """How often each film is drawn."""
    base = np.array(
        [(1.0 if f.region == "H" else 0.7) * (2.5 if f.has("i") else 1.6 if f.has("j") else 1.0) for f in films]
    )
    return base / base.sum()


def pictures(films: list[Marked], n: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(picture uint8, cells (2, h, w) where metal is, cells where it can be told)."""
    rng = np.random.default_rng(seed)
    sources, weights = [Source(f) for f in films], film_weights(films)
    for _ in range(n):
        picture, target = picture_and_target(sources, weights, SIDE, (0.33, 0.33, 0.12, 0.1), rng)
        if target.whole[0] == 0:
            yield picture, target.dense[:2], target.valid[0] > 0


def patches(picture: np.ndarray, cells: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, measures) of a picture's patches and (n,) what each is: 0 neither, 1 worn, 2 in bone, -1 cannot be told."""
    found = find(picture, perceive(picture))
    kinds = []
    h, w = told.shape
    for patch in found.patches:
        at = np.clip(patch.rows // STRIDE, 0, h - 1), np.clip(patch.cols // STRIDE, 0, w - 1)
        share = [float(c[at].mean()) for c in cells]
        if not told[at].mean() > 0.5:
            kinds.append(-1)
        elif max(share) > 0.5:
            kinds.append(1 + int(np.argmax(share)))
        else:
            kinds.append(0 if max(share) < 0.15 else -1)
    return found.table(), np.array(kinds)


def fit(
    table: np.ndarray, truth: np.ndarray, weight: np.ndarray, rounds: int = 160, rate: float = 0.1, seed: int = 0
) -> dict:
    """Boosted trees for a yes-or-no question; the arrays that ``curate.flags.trees.logits`` takes."""
    rng = np.random.default_rng(seed)
    n, features = table.shape
    edges = np.stack([np.quantile(table[:, k], np.linspace(0, 1, BINS + 1)[1:-1]) for k in range(features)])
    bins = np.stack([np.searchsorted(edges[k], table[:, k], side="left") for k in range(features)], 1)
    prior = float((weight * truth).sum() / weight.sum())
    start = float(np.log(prior / (1 - prior)))
    score = np.full(n, start)
    out = {"feature": [], "above": [], "leaf": []}
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-score))
        use = rng.random(n) < 0.7
        g, h = weight * (p - truth) * use, weight * p * (1 - p) * use
        node = np.zeros(n, np.int64)
        feature, above = np.zeros(2**DEPTH - 1, np.int16), np.full(2**DEPTH - 1, np.inf)
        columns = rng.permutation(features)[: max(1, int(0.6 * features))]
        for level in range(DEPTH):
            first, width = 2**level - 1, 2**level
            best = np.zeros(width)
            for k in columns:
                slot = (node - first) * BINS + bins[:, k]
                left_g = np.bincount(slot, g, width * BINS).reshape(width, BINS).cumsum(1)
                left_h = np.bincount(slot, h, width * BINS).reshape(width, BINS).cumsum(1)
                all_g, all_h = left_g[:, -1:], left_h[:, -1:]
                gain = left_g**2 / (left_h + 3) + (all_g - left_g) ** 2 / (all_h - left_h + 3) - all_g**2 / (all_h + 3)
                gain = np.where((left_h > 1) & (all_h - left_h > 1), gain, 0)[:, :-1]
                at = gain.argmax(1)
                for j in np.flatnonzero(gain.max(1) > best + 1e-9):
                    best[j] = gain[j, at[j]]
                    feature[first + j], above[first + j] = k, edges[k, at[j]]
            node = 2 * node + 1 + (table[np.arange(n), feature[node]] > above[node])
        slot = node - (2**DEPTH - 1)
        leaf = -rate * np.bincount(slot, g, 2**DEPTH) / (np.bincount(slot, h, 2**DEPTH) + 3)
        score += leaf[slot]
        for name, value in (("feature", feature), ("above", above), ("leaf", leaf)):
            out[name].append(value)
    return {
        "feature": np.array(out["feature"], np.int16),
        "above": np.array(out["above"], np.float32),
        "leaf": np.array(out["leaf"], np.float32),
        "start": np.float32(start),
    }


def balanced(truth: np.ndarray) -> np.ndarray:
    """Weights under which the rarer answer counts a quarter of the whole."""
    share = float(truth.mean())
    return np.where(truth, max(1.0, 0.25 * (1 - share) / (0.75 * max(share, 1e-6))), 1.0)


def verdict_pictures(films: list[Marked], n: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(picture uint8, answers to VERDICTS: 1, 0, or -1 where it cannot be told)."""
    rng = np.random.default_rng(seed)
    sources = [Source(f) for f in films]
    weights = np.array([(1 if f.region == "H" else 0.8) * (3 if f.has("c") else 1) * f.views for f in films])
    for k in range(n):
        chances = (0.12, 0.12, 0.25, 0.0)
        picture, target = picture_and_target(sources, weights / weights.sum(), SIDE if k % 2 else 400, chances, rng)
        if target.whole[0] == 0:
            cast = float(target.dense[2].sum())
            told = cast >= 12 or (cast == 0 and target.valid[2].mean() > 0.5)
            yield picture, np.array([float(cast > 0) if told else -1.0, *target.whole[1:]])


def patch_table(films: list[Marked], n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Measures of all patches of ``n`` pictures that can be told, and what each is (0, or 1 + index in KINDS)."""
    tables, kinds = [], []
    for k, made in enumerate(pictures(films, n, seed)):
        table, kind = patches(*made)
        tables.append(table[kind >= 0])
        kinds.append(kind[kind >= 0])
        if k % 100 == 0:
            print(f"{k} pictures of metal", flush=True)
    return np.concatenate(tables), np.concatenate(kinds)


def verdict_table(films: list[Marked], n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Measures of ``n`` pictures, and the answers to VERDICTS."""
    rows, answers = [], []
    for k, (picture, answer) in enumerate(verdict_pictures(films, n, seed)):
        rows.append(overview.measure(picture, perceive(picture)))
        answers.append(answer)
        if k % 100 == 0:
            print(f"{k} pictures", flush=True)
    return np.stack(rows), np.stack(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/radiographs"))
    parser.add_argument("--n", type=int, default=1500, help="pictures for each question")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    films, _, half = halves_of(args.data)
    mine = [f for f in films if half[f.name] == LEARNT]
    train_patches(*patch_table(mine, args.n, seed=3), args.out)
    train_verdicts(*verdict_table(mine, args.n, seed=8), args.out)


def _write(name: str, table: np.ndarray, truth: np.ndarray, names: tuple[str, ...], out: Path) -> None:
    trees = fit(table, truth, balanced(truth))
    right = np.mean((logits(trees, table) > 0) == truth)
    print(f"{name}: {int(truth.sum())} of {len(truth)}; {right:.4f} right on what was learnt")
    np.savez_compressed(out / f"{name}.npz", names=np.array(names), **trees)


def train_patches(table: np.ndarray, kind: np.ndarray, out: Path) -> None:
    """Fit and write one judge for each kind of metal."""
    for k, name in enumerate(KINDS, 1):
        _write(name, table, (kind == k).astype(float), NAMES, out)


def train_verdicts(table: np.ndarray, answers: np.ndarray, out: Path) -> None:
    """Fit and write one judge for each question about a film."""
    for k, name in enumerate(VERDICTS):
        told = answers[:, k] >= 0
        _write(name, table[told], answers[told, k], overview.NAMES, out)


if __name__ == "__main__":
    main()
