"""Train the network that the detectors share: ``python -m benchmarks.flags.learn --data ../shared/data/radiographs``.

Two networks are trained, each on one half of the studies; a film of this set is only ever judged by the network
that did
not see its study, a new film by both. Needs torch (extra ``train``); about 25 minutes for each half on one core.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from benchmarks.flags.marks import Marked, load_marked, split_half
from benchmarks.flags.sample import IGNORE, Source, picture_and_target
from curate.flags.net import DENSE, GLOBAL, prepare

WIDTHS = (16, 32, 64, 96, 128)
WEIGHTS = Path(__file__).resolve().parents[2] / "curate" / "flags" / "weights"


def _conv(i: int, o: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class Net(nn.Module):
    """The network of ``curate.flags.net`` in torch."""

    def __init__(self):
        super().__init__()
        before = (8, *WIDTHS[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_conv(i, o, 1 if k == 0 else 2), _conv(o, o))
            for k, (i, o) in enumerate(zip(before, WIDTHS, strict=True))
        )
        self.side = nn.ModuleList(nn.Conv2d(w, 48, 1) for w in WIDTHS[1:])
        self.head = _conv(48, 48)
        self.out = nn.Conv2d(48, len(DENSE), 1)
        self.whole = nn.Sequential(nn.Linear(2 * (WIDTHS[3] + WIDTHS[4]), 48), nn.ReLU(), nn.Linear(48, len(GLOBAL)))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = F.pixel_unshuffle(x, 2)
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        pooled = torch.cat(
            [levels[4].mean((2, 3)), levels[4].amax((2, 3)), levels[3].mean((2, 3)), levels[3].amax((2, 3))], 1
        )
        p = self.side[3](levels[4])
        for k in (2, 1, 0):
            p = self.side[k](levels[k + 1]) + F.interpolate(p, scale_factor=2.0, mode="nearest")
        return self.out(self.head(p)), self.whole(pooled)


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
    for k in (0, 2):
        out[f"whole.{k // 2}.w"], out[f"whole.{k // 2}.b"] = net.whole[k].weight.T, net.whole[k].bias
    return {k: v.detach().numpy().astype(np.float16) for k, v in out.items()}


def batch_of(sources, weights, side, n, rng):
    images, dense, valid, whole = [], [], [], []
    for _ in range(n):
        picture, target = picture_and_target(sources, weights, side, rng)
        images.append(prepare(picture, side))
        full = [np.zeros((len(DENSE), side // 4, side // 4), np.float32) for _ in range(2)]
        _, h, w = target.dense.shape
        full[0][:, :h, :w], full[1][:, :h, :w] = target.dense, target.valid
        if target.whole[0] == 0:
            full[1][:6, h:, :] = 1
            full[1][:6, :, w:] = 1
        dense.append(full[0])
        valid.append(full[1])
        whole.append(target.whole)
    x = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).contiguous(memory_format=torch.channels_last)
    return x, *(torch.from_numpy(np.stack(v)) for v in (dense, valid, whole))


def loss_of(out, whole_out, dense, valid, whole) -> torch.Tensor:
    """Cross-entropy and Dice on the maps, the same on each map's strongest cells, squared error on directions."""
    y, v, z = dense[:, :6], valid[:, :6], out[:, :6]
    weight = v * (1 + y * torch.tensor([6.0, 6.0, 1.0, 10.0, 0.0, 0.0])[None, :, None, None])
    cross = (F.binary_cross_entropy_with_logits(z, y, reduction="none") * weight).sum((0, 2, 3)) / v.sum(
        (0, 2, 3)
    ).clamp(min=1)
    p = torch.sigmoid(z) * v
    dice = 1 - (2 * (p * y).sum((0, 2, 3)) + 20) / (p.sum((0, 2, 3)) + (y * v).sum((0, 2, 3)) + 20)
    top = torch.where(v[:, :4] > 0, z[:, :4], -20.0).flatten(2).topk(10, 2).values.mean(2)
    area = (y[:, :4] * v[:, :4]).sum((2, 3))
    known = ((area == 0) | (area >= 6)) & (v[:, :4].mean((2, 3)) > 0.3)
    image = F.binary_cross_entropy_with_logits(top, (area > 0).float(), reduction="none")
    image = (image * known).sum() / known.sum().clamp(min=1)
    turn = (((out[:, 6:8] - dense[:, 6:8]) ** 2) * valid[:, 6:8]).sum() / valid[:, 6].sum().clamp(min=1)
    told = whole != IGNORE
    said = F.binary_cross_entropy_with_logits(whole_out, whole.clamp(min=0), reduction="none")
    return 4 * cross.sum() + 0.5 * dice.sum() + image + 1.5 * turn + (said * told).sum() / told.sum().clamp(min=1)


def film_weights(films: list[Marked]) -> np.ndarray:
    """How often each film is drawn: hands more than the rest, and what there is little of more still."""
    base = [
        (1.0 if f.region == "H" else 0.55) * (3.0 if f.has("c") else 2.5 if f.has("i") else 1.6 if f.has("j") else 1.0)
        for f in films
    ]
    return np.array(base) / np.sum(base)


def train(films: list[Marked], seed: int, plan: list[tuple[int, int]], log) -> Net:
    """Train on ``films``; plan: (side, steps) stages, batches of 16, AdamW, one-cycle rate."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Net().to(memory_format=torch.channels_last)
    sources, weights = [Source(f) for f in films], film_weights(films)
    total = sum(n for _, n in plan)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=total, pct_start=0.1)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    start, step, smooth = time.time(), 0, None
    for side, n in plan:
        for _ in range(n):
            x, *targets = batch_of(sources, weights, side, 16, rng)
            loss = loss_of(*net(x), *targets)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            rate.step()
            step += 1
            keep = min(0.99, step / (step + 10))
            for k, v in net.state_dict().items():
                average[k] = average[k] * keep + v * (1 - keep) if v.is_floating_point() else v
            smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
            if step % 50 == 0:
                log(f"step {step}/{total} side {side} loss {smooth:.3f} {time.time() - start:.0f} s")
    net.load_state_dict(average)
    return net.eval()


def studies_of(data: Path) -> dict[str, str]:
    """Film name -> study, from tags.csv and plain.csv."""
    return {r["file"]: r["study"] for name in ("tags.csv", "plain.csv") for r in csv.DictReader((data / name).open())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/radiographs"))
    parser.add_argument("--half", type=int, choices=(0, 1), help="only the network trained on this half")
    parser.add_argument("--steps", type=int, nargs=2, default=(800, 250), help="steps at 256 px and at 384 px")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    films = load_marked(args.data)
    halves = split_half(films, studies_of(args.data))
    args.out.mkdir(parents=True, exist_ok=True)
    for half in (0, 1) if args.half is None else (args.half,):
        mine = [f for f in films if halves[f.name] == half]
        net = train(mine, half, [(256, args.steps[0]), (384, args.steps[1])], lambda text: print(text, flush=True))
        note = {"half": half, "films": sorted(f.name for f in mine), "steps": list(args.steps)}
        np.savez_compressed(args.out / f"half{half}.npz", note=np.array(json.dumps(note)), **folded(net))


if __name__ == "__main__":
    main()
