"""Logits back to the film's own size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.upscale import logit, plane_of_logits

torch = pytest.importorskip("torch")


def _whole(logits: np.ndarray, scale: float, size: tuple[int, int], probability: float) -> np.ndarray:
    """The same by torch, everything at once."""
    h, w = logits.shape[1:]
    x = ((np.arange(size[0]) + 0.5) * scale - 0.5 + 0.5) / w * 2 - 1
    y = ((np.arange(size[1]) + 0.5) * scale - 0.5 + 0.5) / h * 2 - 1
    grid = torch.from_numpy(np.stack(np.meshgrid(x, y), -1)[None])
    full = torch.nn.functional.grid_sample(
        torch.from_numpy(logits[None]).double(), grid, "bilinear", "border", align_corners=False
    )[0].numpy()
    return full - logit(probability)


@given(
    seed=st.integers(0, 1000), h=st.integers(1, 12), w=st.integers(1, 12),
    scale=st.sampled_from([0.125, 0.25, 0.3, 1.0, 1.7]), probability=st.sampled_from([0.3, 0.5, 0.8]),
)  # fmt: skip
def test_equal_to_resampling_everything(seed, h, w, scale, probability):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1.5, (5, h, w)).astype(np.float32)
    logits[3] = -9
    size = (max(1, round(w / scale)), max(1, round(h / scale)))
    plane = plane_of_logits(logits, scale, size, probability)
    margin = _whole(logits, scale, size, probability)
    for k in range(5):
        sure = np.abs(margin[k]) > 1e-4
        got = (plane >> np.uint32(k)) & 1 == 1
        assert (got[sure] == (margin[k] > 0)[sure]).all()
    assert not (plane >> np.uint32(3) & 1).any()


def test_sizes_thresholds_and_more_than_32_classes():
    logits = np.full((40, 4, 6), -5, np.float32)
    logits[39, 1:3, 2:4] = 1.0
    plane = plane_of_logits(logits, 0.5, (12, 8))
    assert plane.dtype == np.uint64
    assert plane.shape == (8, 12)
    assert set(np.unique(plane)) == {0, 1 << 39}
    strict = plane_of_logits(logits, 0.5, (12, 8), [0.5] * 39 + [0.9])
    assert not strict.any()


def test_a_square_stays_where_it_is():
    """The pixel grid of the design: a block of logits comes back as the block of pixels that it covers."""
    logits = np.full((1, 8, 8), -1, np.float32)
    logits[0, 2:4, 4:6] = 1.0
    plane = plane_of_logits(logits, 0.25, (32, 32))
    ys, xs = np.nonzero(plane)
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (8, 15, 16, 23)
