"""Teach the heads that the detectors share: ``python -m benchmarks.flags.learn --data ../shared/data/radiographs``.

The trunk stays as ImageNet left it; two small heads learn from the features of some 10,000 pictures. Three times: on
each half of the studies, which says what they are worth on the other; on all folds but one, six times, whose answers on
the fold left out set the thresholds; and on all films, which is what ships. Needs torch (extra ``train``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from benchmarks.flags import drawn, judged, pictures
from benchmarks.flags.pictures import FOLDS, Lesson
from benchmarks.flags.sample import IGNORE, THINGS
from curate.flags.heads import CELLS, WHOLE, WIDTH

WEIGHTS = Path(__file__).resolve().parents[2] / "curate" / "flags" / "weights"

HIDDEN_CELLS, HIDDEN_WHOLE = 128, 128
ROUNDS_CELLS, ROUNDS_WHOLE = 6, 30
AT_ONCE_CELLS, AT_ONCE_WHOLE = 32, 64
EACH = 144
"""Cells of a picture that one step learns from."""

REAL = 3.0
"""Weight of a picture as it is against one with things composed in, where the whole picture is asked about."""

SOFT = 0.02
"""How far from 0 and 1 the answers about a whole picture are taken to be (label smoothing, Szegedy et al. 2016)."""

YES_NO = [k for k, name in enumerate(CELLS) if not name.startswith("direction")]
WAY = [k for k, name in enumerate(CELLS) if name.startswith("direction")]
THING = [CELLS.index(name) for name in THINGS]
SOME = 3
"""Cells whose mean must say whether a thing is on a picture at all."""


class _Standard(nn.Module):
    """What it sees, less the mean, over the spread."""

    def __init__(self, mean: np.ndarray, spread: np.ndarray):
        super().__init__()
        self.register_buffer("gain", torch.from_numpy(1 / spread))
        self.register_buffer("shift", torch.from_numpy(-mean / spread))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain + self.shift


def _net(mean: np.ndarray, spread: np.ndarray, hidden: int, out: int, drop: tuple[float, float]) -> nn.Sequential:
    """Standardise, then one hidden layer; ``drop``: share of what it sees, and of its hidden units, left out of a
    step."""
    layers = (nn.Dropout(drop[0]), nn.Linear(len(mean), hidden), nn.ReLU(), nn.Dropout(drop[1]), nn.Linear(hidden, out))
    return nn.Sequential(_Standard(mean, spread), *layers)


def _folded(net: nn.Sequential, name: str) -> dict[str, np.ndarray]:
    """The arrays that ``curate.flags.heads.say`` takes, standardisation folded in."""
    scale, first, last = net[0], net[2], net[5]
    arrays = {
        f"{name}.0.w": (first.weight * scale.gain).T, f"{name}.0.b": first.bias + first.weight @ scale.shift,
        f"{name}.1.w": last.weight.T, f"{name}.1.b": last.bias,
    }  # fmt: skip
    return {k: v.detach().numpy().astype(np.float32) for k, v in arrays.items()}


def _taught(
    net: nn.Sequential, n: int, rounds: int, at_once: int, decay: float, loss: Callable, rng: np.random.Generator
) -> nn.Sequential:
    """AdamW over ``n`` lessons, its rate falling to nothing along a cosine."""
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=decay)
    steps = rounds * -(-n // at_once)
    for step in range(steps):
        if step % -(-n // at_once) == 0:
            order = rng.permutation(n)
        first = step % -(-n // at_once) * at_once
        value = loss(net, order[first : first + at_once])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 + np.cos(np.pi * (step + 1) / steps))
    return net.eval()


def _cells_loss(lessons: Sequence[Lesson], rng: np.random.Generator, net: nn.Module, which: np.ndarray) -> torch.Tensor:
    """Cross-entropy of each cell, squared error of directions, and cross-entropy of whether a thing is there at all,
    told by its strongest cells."""
    x = np.zeros((len(which), EACH, WIDTH), np.float32)
    said, told = (np.zeros((len(which), EACH, len(CELLS)), np.float32) for _ in range(2))
    for b, i in enumerate(which):
        at = rng.permutation(len(lessons[i].cells))[:EACH]
        x[b, : len(at)], said[b, : len(at)], told[b, : len(at)] = (
            getattr(lessons[i], n)[at] for n in ("cells", "said", "told")
        )
    out, y, w = net(torch.from_numpy(x)), torch.from_numpy(said), torch.from_numpy(told)
    cross = F.binary_cross_entropy_with_logits(out[..., YES_NO], y[..., YES_NO], reduction="none") * w[..., YES_NO]
    loss = (cross.sum((0, 1)) / w[..., YES_NO].sum((0, 1)).clamp(min=1)).sum()
    loss = loss + 1.5 * ((out - y) ** 2 * w)[..., WAY].sum() / w[..., WAY].sum().clamp(min=1)
    top = torch.where(w[..., THING] > 0, out[..., THING], -15.0).topk(SOME, 1).values.mean(1)
    things = torch.from_numpy(np.stack([lessons[i].things for i in which]))
    return loss + _told_mean(top, things, [lessons[i].real for i in which])


def _told_mean(out: torch.Tensor, answers: torch.Tensor, real: Sequence[bool], soft: float = 0.0) -> torch.Tensor:
    """Cross-entropy of what can be told, each question for itself, summed; answers are ``soft`` off 0 and 1."""
    weight = torch.from_numpy(np.where(real, REAL, 1.0).astype(np.float32))[:, None] * (answers != IGNORE)
    each = F.binary_cross_entropy_with_logits(out, answers.clamp(soft, 1 - soft), reduction="none") * weight
    return (each.sum(0) / weight.sum(0).clamp(min=1)).sum()


def teach(lessons: Sequence[Lesson], bodies: tuple[np.ndarray, np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """Both heads' arrays, learnt from ``lessons``; the film's head also from drawn ``bodies`` (features, answers)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sample = np.concatenate([x.cells[::7] for x in lessons[::3]]).astype(np.float32)
    net = _net(sample.mean(0), sample.std(0) + 0.05, HIDDEN_CELLS, len(CELLS), (0.2, 0.2))
    cells = _taught(net, len(lessons), ROUNDS_CELLS, AT_ONCE_CELLS, 1e-3, partial(_cells_loss, lessons, rng), rng)
    seen, answers = (
        np.concatenate([np.stack([getattr(x, n) for x in lessons]), of_bodies])
        for n, of_bodies in zip(("whole", "answers"), bodies, strict=True)
    )
    real = np.array([x.real for x in lessons] + [False] * len(bodies[0]))

    def loss(net: nn.Module, which: np.ndarray) -> torch.Tensor:
        return _told_mean(net(torch.from_numpy(seen[which])), torch.from_numpy(answers[which]), real[which], SOFT)

    net = _net(seen.mean(0), seen.std(0) + 0.01, HIDDEN_WHOLE, len(WHOLE), (0.5, 0.3))
    whole = _taught(net, len(seen), ROUNDS_WHOLE, AT_ONCE_WHOLE, 0.1, loss, rng)
    return {**_folded(cells, "cells"), **_folded(whole, "whole")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/radiographs"))
    parser.add_argument("--lessons", type=Path, default=Path("build/flags/lessons"), help="where features are kept")
    parser.add_argument("--seed", type=int, default=0, help="of the heads' beginnings and the order of lessons")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the heads; elsewhere, for the scores too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    log = partial(print, flush=True)
    pictures.make(args.data, args.lessons, log)
    drawn.make(args.lessons, log)
    lessons, bodies = pictures.read(args.lessons), drawn.read(args.lessons)

    def without(folds: Sequence[int]) -> dict[str, np.ndarray]:
        log(f"learning on folds {[k for k in range(FOLDS) if k not in folds]}")
        return teach([x for k in range(FOLDS) if k not in folds for x in lessons[k]], bodies, args.seed)

    sides = [tuple(range(FOLDS // 2)), tuple(range(FOLDS // 2, FOLDS))]
    half_heads = {side: without(sides[side]) for side in (0, 1)}
    fold_heads = {k: without((k,)) for k in range(FOLDS)}
    cases = judged.look(args.data, half_heads, fold_heads, log)
    half = judged.thresholds(cases)
    args.out.mkdir(parents=True, exist_ok=True)
    judged.keep(cases, half, judged.KEPT if args.out == WEIGHTS else args.out / judged.KEPT.name)
    log(judged.table(cases, half))
    everything = without(())
    note = {"half": half, "films": len(cases), "pictures": sum(map(len, lessons.values())) + len(bodies[0])}
    arrays = {k: v.astype(np.float16) for k, v in everything.items()}
    np.savez_compressed(args.out / "heads.npz", note=np.array(json.dumps(note)), **arrays)


if __name__ == "__main__":
    main()
