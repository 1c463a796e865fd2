"""Tiny networks of Real-ESRGAN's two kinds, with weights that enlarge sensibly, and files that hold them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def compact_state(scale: int = 4, features: int = 4, layers: int = 1, seed: int = 0, size: float = 0.02) -> dict:
    """An SRVGGNetCompact: nearest neighbour plus a little of its own."""
    rng = np.random.default_rng(seed)
    state, n_in = {}, 3
    for k in range(layers + 1):
        state[f"body.{2 * k}.weight"] = rng.normal(0, 0.3, (features, n_in, 3, 3)).astype(np.float32)
        state[f"body.{2 * k}.bias"] = rng.normal(0, 0.05, features).astype(np.float32)
        state[f"body.{2 * k + 1}.weight"] = rng.uniform(0.1, 0.4, features).astype(np.float32)
        n_in = features
    last = 2 * (layers + 1)
    state[f"body.{last}.weight"] = rng.normal(0, size, (3 * scale**2, features, 3, 3)).astype(np.float32)
    state[f"body.{last}.bias"] = rng.normal(0, size / 4, 3 * scale**2).astype(np.float32)
    return state


def rrdb_state(features: int = 4, blocks: int = 1, channels: int = 3, seed: int = 0) -> dict:
    """An RRDBNet (grown by 32 channels, as Real-ESRGAN's) that enlarges by 4; with 12 channels, by 2."""
    rng = np.random.default_rng(seed)
    shapes = {"conv_first": (features, channels)}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for k in range(1, 6):
                out = features if k == 5 else 32
                shapes[f"body.{block}.rdb{dense}.conv{k}"] = (out, features + (k - 1) * 32)
    shapes |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (features, features))
    shapes["conv_last"] = (3, features)
    state = {}
    for key, (out, n_in) in shapes.items():
        state[f"{key}.weight"] = rng.normal(0, 0.5 / np.sqrt(9 * n_in), (out, n_in, 3, 3)).astype(np.float32)
        state[f"{key}.bias"] = rng.normal(0.02, 0.01, out).astype(np.float32)
    return state


def save(state: dict, path: Path, wrap: str | None = "params_ema") -> Path:
    """A ``.pth`` or ``.safetensors`` file as Real-ESRGAN's releases are laid out."""
    import torch
    from safetensors.torch import save_file

    tensors = {k: torch.from_numpy(v) for k, v in state.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({wrap: tensors} if wrap else tensors, path)
    return path


def compact_ncnn(state: dict, scale: int = 4, half: bool = True) -> tuple[bytes, bytes]:
    """The two files of ncnn for a compact network, as its converter writes them."""
    tag, kind = (0x01306B47, "<f2") if half else (0, "<f4")
    lines, blob, data = ["Input in 0 1 data", "Split s 1 2 data data_0 data_1"], "data_1", b""
    for index in range(len([k for k in state if k.endswith("weight")])):
        weight = state[f"body.{index}.weight"]
        name = f"b{index}"
        if weight.ndim == 4:
            count = weight.size
            lines.append(f"Convolution c{index} 1 1 {blob} {name} 0={len(weight)} 1=3 4=1 5=1 6={count}")
            raw = weight.astype(kind).tobytes()
            data += struct.pack("<I", tag) + raw + b"\0" * (-len(raw) % 4) + state[f"body.{index}.bias"].tobytes()
        else:
            lines.append(f"PReLU p{index} 1 1 {blob} {name} 0={weight.size}")
            data += weight.tobytes()
        blob = name
    lines.append(f"PixelShuffle d 1 1 {blob} shuffled 0={scale}")
    lines.append(f"Interp r 1 1 data_0 base 0=1 1={scale:.6e} 2={scale:.6e}")
    lines.append("BinaryOp a 2 1 shuffled base output")
    return "\n".join(["7767517", f"{len(lines)} {len(lines) + 1}", *lines, ""]).encode(), data


def hand_like(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A film with soft bones, texture and a saturated marker: uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    gray = 40 + 20 * np.sin(x / 17) + 15 * np.cos(y / 23)
    for _ in range(4):
        cx, cy = rng.uniform(0.1, 0.9, 2) * (width, height)
        r = np.hypot((x - cx) / rng.uniform(0.5, 1.5), y - cy) - rng.uniform(0.08, 0.2) * min(width, height)
        gray += 90 / (1 + np.exp(np.clip(r / 1.2, -50, 50)))
    gray += rng.normal(0, 3, gray.shape)
    gray[2:8, 2:12] = 255
    return np.clip(gray, 0, 255).astype(np.uint8)
