"""Losses and planes on tensors."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from curate.errors import UsageError  # noqa: E402
from train.config import LOSSES, load  # noqa: E402
from train.data.planes import expand, to_tensor  # noqa: E402
from train.fit.losses import Loss, bce, dice, focal, tversky  # noqa: E402

NAMES = ("a", "b", "c")


@pytest.mark.parametrize("bits", [29, 32, 40, 64])
def test_planes_expand_to_their_bits(bits):
    rng = np.random.default_rng(bits)
    masks = rng.random((2, bits, 6, 7)) < 0.3
    dtype = np.uint32 if bits <= 32 else np.uint64
    planes = np.zeros((2, 1, 6, 7), dtype)
    for k in range(bits):
        planes[:, 0] |= masks[:, k].astype(dtype) << dtype(k)
    assert (expand(to_tensor(planes), None, bits).numpy() == masks).all()


def test_mixup_targets_are_weighted_sums():
    planes = to_tensor(np.array([[[[0b01]], [[0b11]]], [[[0b10]], [[0b00]]]], np.uint32))
    weights = torch.tensor([[0.3, 0.7], [1.0, 0.0]])
    target = expand(planes, weights, 2)
    assert target[:, :, 0, 0].numpy() == pytest.approx(np.array([[1.0, 0.7], [0.0, 1.0]]))


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "set"])  # Mask2Former's own: test_models
def test_every_loss_falls_towards_the_target_and_has_a_gradient(name):
    loss = Loss(load(None, [f"loss={name}"]), NAMES)
    target = (torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    values = [float(loss((target * 2 - 1) * size, target)) for size in (-4.0, 0.0, 4.0, 12.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.01
    x = torch.zeros(2, 3, 8, 8, requires_grad=True)
    loss(x, target).backward()
    assert (x.grad.sign() == 1 - 2 * target).all()


@pytest.mark.parametrize("term", [bce, dice, lambda x, y: focal(x, y, 2.0)])
def test_a_soft_target_is_its_own_minimum(term):
    """Mixup's targets lie between 0 and 1: a loss whose minimum lay elsewhere would not honour them."""
    target = torch.full((1, 1, 16, 16), 0.3)
    at = {p: float(term(torch.full_like(target, p).logit(), target)[0]) for p in (0.1, 0.25, 0.3, 0.35, 0.6, 0.95)}
    assert min(at, key=at.get) == 0.3


def test_known_values():
    target = torch.zeros(1, 1, 10, 10)
    target[..., :5] = 1
    sure = (target * 2 - 1) * 50
    assert float(dice(sure, target)) == pytest.approx(0, abs=1e-6)
    half = sure.clone()
    half[..., 2:] = -50
    assert float(dice(half, target)) == pytest.approx(1 - (2 * 20 + 1) / (20 + 50 + 1))
    assert float(tversky(half, target, 0.3, 0.7)) == pytest.approx(1 - (20 + 1) / (20 + 0.7 * 30 + 1))
    zero = torch.zeros_like(target)
    assert float(bce(zero, target)) == pytest.approx(np.log(2))
    assert float(focal(zero, target, 2.0)) == pytest.approx(np.log(2) / 4)


def test_class_weights_move_the_loss_and_unknown_ones_are_named():
    target = torch.zeros(1, 3, 8, 8)
    x = torch.full_like(target, -9.0)
    x[:, 1] = 3.0
    plain = float(Loss(load(None, ["loss=bce"]), NAMES)(x, target))
    heavy = float(Loss(load(None, ["loss=bce", "class_weights={b: 4}"]), NAMES)(x, target))
    assert heavy == pytest.approx(plain * 2, rel=1e-3)  # weights are scaled to mean 1: 4 of (1, 4, 1) is 2
    weighted = Loss(load(None, ["loss=bce+dice", "loss_weights=[2, 0]"]), NAMES)
    assert float(weighted(x, target)) == pytest.approx(2 * plain)
    with pytest.raises(UsageError, match="'nosuch' is none of: a, b, c"):
        Loss(load(None, ["class_weights={nosuch: 2}"]), NAMES)
    with pytest.raises(UsageError, match="every class weighs 0"):
        Loss(load(None, ["class_weights={a: 0, b: 0, c: 0}"]), NAMES)


def test_the_loss_is_computed_in_float32():
    logits, target = torch.full((1, 3, 256, 256), 5.0, dtype=torch.bfloat16), torch.ones(1, 3, 256, 256)
    assert Loss(load(None, []), NAMES)(logits, target).dtype == torch.float32
