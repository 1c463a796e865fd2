"""Train the networks that the detectors share: ``python -m benchmarks.flags.learn --data ../shared/data/radiographs``.

They learn on one half of the studies; the benchmark reports what they say of the other. Needs torch (extra
``train``); half an hour on one core for all.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from benchmarks.flags.halves import LEARNT, halves_of
from benchmarks.flags.marks import Marked
from benchmarks.flags.sample import DENSE, IGNORE, Source, picture_and_target
from curate.flags.net import GESTALT, METAL, STRIDE, Kind, prepare

WEIGHTS = Path(__file__).resolve().parents[2] / "curate" / "flags" / "weights"


def _conv(i: int, o: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class Net(nn.Module):
    """A network of ``curate.flags.net`` in torch."""

    def __init__(self, kind: Kind):
        super().__init__()
        self.kind, widths = kind, kind.widths
        blocks = []
        for k, (i, o) in enumerate(zip((8, *widths[:-1]), widths, strict=True)):
            blocks.append(nn.Sequential(_conv(i, o, 1 if k == 0 else 2), _conv(o, o)))
        self.down = nn.ModuleList(blocks)
        self.side = nn.ModuleList(nn.Conv2d(w, 48, 1) for w in widths[1:])
        self.head = _conv(48, 48)
        self.out = nn.Conv2d(48, len(kind.dense), 1)
        pooled = 2 * (widths[-1] + widths[-2])
        self.whole = (
            nn.Sequential(nn.Linear(pooled, 48), nn.ReLU(), nn.Linear(48, len(kind.whole))) if kind.whole else None
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        x = F.pixel_unshuffle(x, 2)
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        p = self.side[-1](levels[-1])
        for k in range(len(self.side) - 2, -1, -1):
            p = self.side[k](levels[k + 1]) + F.interpolate(p, scale_factor=2.0, mode="nearest")
        dense = self.out(self.head(p))
        if self.whole is None:
            return dense, None
        pooled = torch.cat([f((2, 3)) for level in levels[:-3:-1] for f in (level.mean, level.amax)], 1)
        return dense, self.whole(pooled)


def folded(net: Net) -> dict[str, np.ndarray]:
    """The weights as ``curate.flags.net.forward`` wants them, normalisation folded in, float16."""
    out: dict[str, torch.Tensor] = {}

    def fold(name: str, block: nn.Sequential) -> None:
        conv, norm = block[0], block[1]
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = conv.weight * gain[:, None, None, None]
        out[f"{name}.w"] = weight.permute(2, 3, 1, 0).reshape(9, weight.shape[1], -1)
        out[f"{name}.b"] = norm.bias - norm.running_mean * gain

    for k, block in enumerate(net.down):
        fold(f"down{k}.0", block[0])
        fold(f"down{k}.1", block[1])
    fold("head", net.head)
    for k, side in enumerate(net.side):
        out[f"side{k + 1}.w"], out[f"side{k + 1}.b"] = side.weight[:, :, 0, 0].T, side.bias
    out["out.w"], out["out.b"] = net.out.weight[:, :, 0, 0].T, net.out.bias
    for k in (0, 2) if net.whole is not None else ():
        out[f"whole.{k // 2}.w"], out[f"whole.{k // 2}.b"] = net.whole[k].weight.T, net.whole[k].bias
    return {k: v.detach().numpy().astype(np.float16) for k, v in out.items()}


def unfold(net: Net, stored: dict[str, np.ndarray], x: torch.Tensor) -> None:
    """Start ``net`` where folded weights left off: normalisation is set so that on the batch ``x`` it changes
    nothing."""

    def put(name: str, block: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        weight = torch.from_numpy(stored[f"{name}.w"].astype(np.float32))
        o, i = block[0].weight.shape[:2]
        block[0].weight.copy_(weight.reshape(3, 3, i, o).permute(3, 2, 0, 1))
        y = block[0](x)
        norm = block[1]
        norm.running_mean.copy_(y.mean((0, 2, 3)))
        norm.running_var.copy_(y.var((0, 2, 3)))
        norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
        norm.bias.copy_(norm.running_mean + torch.from_numpy(stored[f"{name}.b"].astype(np.float32)))
        return F.relu(y + torch.from_numpy(stored[f"{name}.b"].astype(np.float32))[None, :, None, None])

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(stored[name].astype(np.float32))

    with torch.no_grad():
        x = F.pixel_unshuffle(x, 2)
        levels = []
        for k, block in enumerate(net.down):
            x = put(f"down{k}.1", block[1], put(f"down{k}.0", block[0], x))
            levels.append(x)
        for k, side in enumerate(net.side):
            side.weight.copy_(tensor(f"side{k + 1}.w").T[:, :, None, None])
            side.bias.copy_(tensor(f"side{k + 1}.b"))
        p = net.side[-1](levels[-1])
        for k in range(len(net.side) - 2, -1, -1):
            p = net.side[k](levels[k + 1]) + F.interpolate(p, scale_factor=2.0, mode="nearest")
        put("head", net.head, p)
        net.out.weight.copy_(tensor("out.w").T[:, :, None, None])
        net.out.bias.copy_(tensor("out.b"))
        for k in (0, 2) if net.whole is not None else ():
            net.whole[k].weight.copy_(tensor(f"whole.{k // 2}.w").T)
            net.whole[k].bias.copy_(tensor(f"whole.{k // 2}.b"))


def _tensors(images: list, dense: list, valid: list, whole: list) -> tuple[torch.Tensor, ...]:
    x = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).contiguous(memory_format=torch.channels_last)
    return x, *(torch.from_numpy(np.stack(v)) for v in (dense, valid, whole))


def _padded(target, side: int, channels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Target and validity of some channels on the whole square; beyond the film there is nothing, and that is
    learnt too."""
    dense, valid = (np.zeros((len(channels), side // STRIDE, side // STRIDE), np.float32) for _ in range(2))
    _, h, w = target.dense.shape
    dense[:, :h, :w], valid[:, :h, :w] = target.dense[channels], target.valid[channels]
    for k, channel in enumerate(channels):
        if target.whole[0] == 0 and not DENSE[channel].startswith("direction"):
            valid[k, h:, :] = valid[k, :, w:] = 1
    return dense, valid


def gestalt_batch(sources, weights, n, rng) -> tuple[torch.Tensor, ...]:
    """Whole films, small."""
    channels = [DENSE.index(name) for name in GESTALT.dense]
    rows = []
    for _ in range(n):
        picture, target = picture_and_target(sources, weights, GESTALT.side, (0.1, 0.1, 0.3, 0.0), rng)
        rows.append((prepare(picture, GESTALT.side), *_padded(target, GESTALT.side, channels), target.whole))
    return _tensors(*zip(*rows, strict=True))


CROP = 128


def metal_batch(sources, weights, n, rng) -> tuple[torch.Tensor, ...]:
    """Crops of sharp films: on things, on markers, and on what else is bright."""
    channels = [DENSE.index(name) for name in METAL.dense]
    rows = []
    while len(rows) < n:
        picture, target = picture_and_target(sources, weights, METAL.side, (0.45, 0.45, 0.08, 0.25), rng)
        if target.whole[0] == 1:
            continue
        x = prepare(picture, METAL.side)
        dense, valid = _padded(target, METAL.side, channels)
        spots = []
        for k in range(len(channels)):
            there = np.argwhere(dense[k] * valid[k] > 0)
            spots += [there[i] for i in rng.integers(len(there), size=3 if k < 2 else 1)] if len(there) else []
        hat = cv2.morphologyEx(picture, cv2.MORPH_TOPHAT, np.ones((15, 15), np.uint8))
        bright = np.argwhere(hat >= max(np.percentile(hat, 98), 1))
        spots += [bright[i] / STRIDE for i in rng.integers(len(bright), size=3)] if len(bright) else []
        for spot in spots:
            at = (np.array(spot) * STRIDE + rng.uniform(-40, 40, 2) - CROP / 2) / STRIDE
            r, c = np.clip(at, 0, (METAL.side - CROP) // STRIDE).astype(int)
            cells = (slice(None), slice(r, r + CROP // STRIDE), slice(c, c + CROP // STRIDE))
            pixels = (slice(r * STRIDE, r * STRIDE + CROP), slice(c * STRIDE, c * STRIDE + CROP))
            rows.append((x[pixels], dense[cells], valid[cells], target.whole))
    return _tensors(*zip(*rows[:n], strict=True))


def gestalt_loss(out, said, dense, valid, whole) -> torch.Tensor:
    """Cross-entropy on maps and on statements about the whole, squared error on directions."""
    y, v, z = dense[:, :3], valid[:, :3], out[:, :3]
    cross = (F.binary_cross_entropy_with_logits(z, y, reduction="none") * v).sum((0, 2, 3)) / v.sum((0, 2, 3)).clamp(
        min=1
    )
    turn = (((out[:, 3:5] - dense[:, 3:5]) ** 2) * valid[:, 3:5]).sum() / valid[:, 3].sum().clamp(min=1)
    told = whole != IGNORE
    each = F.binary_cross_entropy_with_logits(said, whole.clamp(min=0), reduction="none") * told
    statements = each.sum(0) / told.sum(0).clamp(min=1)
    return 3 * cross.sum() + 1.5 * turn + 2 * statements.sum() + _strongest(z[:, 2:], y[:, 2:], v[:, 2:], 12)


def _strongest(z, y, v, n: int) -> torch.Tensor:
    """Cross-entropy of whether a thing is there at all, told by its strongest cells."""
    top = torch.where(v > 0, z, -15.0).flatten(2).topk(n, 2).values.mean(2)
    area = (y * v).sum((2, 3))
    known = ((area == 0) | (area >= n / 2)) & (v.mean((2, 3)) > 0.3)
    each = F.binary_cross_entropy_with_logits(top, (area > 0).float(), reduction="none") * known
    return (each.sum(0) / known.sum(0).clamp(min=1)).sum()


def metal_loss(out, said, dense, valid, whole) -> torch.Tensor:
    """Cross-entropy on maps, things weighed up, and on their strongest cells."""
    weight = valid * (1 + 4 * dense)
    cross = F.binary_cross_entropy_with_logits(out, dense, reduction="none") * weight
    return 4 * (cross.sum((0, 2, 3)) / weight.sum((0, 2, 3)).clamp(min=1)).sum() + _strongest(out, dense, valid, 8)


def film_weights(films: list[Marked]) -> np.ndarray:
    """How often each film is drawn: hands more than the rest, and what there is little of more still."""
    base = [
        (1.0 if f.region == "H" else 0.55) * (3.0 if f.has("c") else 2.5 if f.has("i") else 1.6 if f.has("j") else 1.0)
        for f in films
    ]
    return np.array(base) / np.sum(base)


@dataclass(frozen=True)
class Recipe:
    """How one kind of network is trained."""

    kind: Kind
    work: int
    batch: Callable
    loss: Callable
    n: int
    steps: int


RECIPES = {
    "gestalt": Recipe(GESTALT, 256, gestalt_batch, gestalt_loss, 24, 4000),
    "metal": Recipe(METAL, 640, metal_batch, metal_loss, 32, 2500),
}


def train(
    recipe: Recipe, films: list[Marked], seed: int, minutes: float, start_from: Path | None, log: Callable[[str], None]
) -> tuple[Net, int]:
    """Train on ``films`` for so many steps or minutes, whichever is less: AdamW, a rate that warms up and falls to
    nothing."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Net(recipe.kind).to(memory_format=torch.channels_last)
    sources, weights = [Source(f) for f in films], film_weights(films)
    if start_from is not None:
        with np.load(start_from, allow_pickle=False) as stored:
            unfold(net, dict(stored), recipe.batch(sources, weights, 2 * recipe.n, rng)[0])
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-3)
    start, step, done, smooth = time.time(), 0, 0.0, None
    while done < 1:
        done = max(step / recipe.steps, (time.time() - start) / (60 * minutes))
        rate = 3e-3 * min(1, (step + 1) / 80) * max(0.5 * (1 + np.cos(np.pi * min(done, 1))), 0.003)
        for group in optimiser.param_groups:
            group["lr"] = rate
        x, *targets = recipe.batch(sources, weights, recipe.n, rng)
        loss = recipe.loss(*net(x), *targets)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        step += 1
        smooth = loss.item() if smooth is None else 0.97 * smooth + 0.03 * loss.item()
        if step % 50 == 0:
            log(
                f"{recipe.kind.side} px: step {step}, {100 * done:.0f}%, loss {smooth:.3f}, {time.time() - start:.0f} s"
            )
    return net.eval(), step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/radiographs"))
    parser.add_argument("--kind", choices=sorted(RECIPES), help="only this kind of network")
    parser.add_argument("--minutes", type=float, default=60, help="most time for each network")
    parser.add_argument("--start-from", type=Path, help="weights to go on from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in RECIPES if args.kind is None else (args.kind,):
        films, _, halves = halves_of(args.data, RECIPES[name].work)
        mine = [f for f in films if halves[f.name] == LEARNT]
        log = partial(print, flush=True)
        net, steps = train(RECIPES[name], mine, args.seed, args.minutes, args.start_from, log)
        note = {"kind": name, "steps": steps, "films": sorted(f.name for f in mine)}
        np.savez_compressed(args.out / f"{name}.npz", note=np.array(json.dumps(note)), **folded(net))


if __name__ == "__main__":
    main()
