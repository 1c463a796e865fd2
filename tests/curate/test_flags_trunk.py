"""The trunk as OpenCV runs it, against the same convolutions written out in numpy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curate.flags.arrays import load_weights
from curate.flags.trunk import STAGES, TAPS, see


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """x (channels, h, w) under TensorFlow's SAME padding: what is odd of it lies on the right and below."""
    side, (h, w) = weight.shape[2], (n // stride for n in x.shape[1:])
    before = (side - stride) // 2 if side > 1 else 0
    after = side - stride - before if side > 1 else 0
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    out = np.zeros((len(weight), h, w), np.float64) + bias[:, None, None]
    for dy in range(side):
        for dx in range(side):
            part = x[:, dy : dy + stride * h : stride, dx : dx + stride * w : stride]
            k = weight[:, :, dy, dx]
            out += part * k[:, :1, None] if k.shape[1] == 1 and len(x) > 1 else np.tensordot(k, part, 1)
    return out


def by_hand(picture: np.ndarray) -> list[np.ndarray]:
    weights, taps, number = load_weights("trunk.npz")[0], [], 0

    def conv(x, name, stride=1, relu=True):
        out = convolved(x, weights[f"{name}.w"], weights[f"{name}.b"], stride)
        return out.clip(0, 6) if relu else out

    t = conv(picture[None] / 127.5 - 1, "stem", 2)
    for blocks, side, first, tap in STAGES:
        for k in range(blocks):
            before = t
            t = conv(t, f"{number}.expand") if number else t
            assert weights[f"{number}.depth.w"].shape[2] == side
            t = conv(t, f"{number}.depth", 1 if k else first)
            t = conv(t, f"{number}.project", relu=False)
            t = t + before if k else t
            number += 1
        taps += [t] if tap else []
    return taps


@pytest.mark.parametrize("size", [(64, 96), (96, 32)])
def test_opencv_runs_the_trunk_as_written(size):
    rng = np.random.default_rng(3)
    picture = cv2.GaussianBlur(rng.integers(0, 256, size).astype(np.uint8), (0, 0), 2)
    seen = see(picture)
    assert list(seen) == list(TAPS)
    for (name, values), expected in zip(seen.items(), by_hand(picture.astype(np.float64)), strict=True):
        assert values.shape == expected.shape == (len(expected), size[0] // int(name[1:]), size[1] // int(name[1:]))
        np.testing.assert_allclose(values, expected, atol=2e-3 * np.abs(expected).max())


def test_the_trunk_says_the_same_on_more_threads_and_again():
    picture = np.tile(np.arange(128, dtype=np.uint8), (128, 1))
    threads = cv2.getNumThreads()
    first = {name: values.copy() for name, values in see(picture).items()}
    cv2.setNumThreads(1 if threads > 1 else 2)
    try:
        for name, values in see(picture).items():
            np.testing.assert_array_equal(values, first[name])
    finally:
        cv2.setNumThreads(threads)
