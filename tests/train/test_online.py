"""Online augmentation: image and labels move alike, bit for bit, by the seed alone."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest

from curate.errors import UsageError
from train.data.online import PRESETS, OnlineAugmenter, as_bytes, from_bytes

SIZE = 64


def _sample(dtype=np.uint32, n=1):
    planes = np.zeros((n, SIZE, SIZE), dtype)
    top = 8 * np.dtype(dtype).itemsize - 1
    for k, bit in enumerate((0, 9, 17, top)):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        cv2.circle(mask, (20 + 8 * k, 18 + 9 * k), 9, 1, -1)
        planes[k % n] |= mask.astype(dtype) << dtype(bit)
    image = np.where(planes.any(0), 220, 30).astype(np.uint8)
    return image, planes


@pytest.mark.parametrize(("dtype", "n"), [(np.uint32, 1), (np.uint32, 4), (np.uint64, 3)])
def test_planes_survive_as_bytes(dtype, n):
    _, planes = _sample(dtype, n)
    assert (from_bytes(as_bytes(planes), np.dtype(dtype)) == planes).all()


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "none"])
@pytest.mark.parametrize(("dtype", "n"), [(np.uint32, 1), (np.uint64, 2)])
def test_presets_keep_types_values_and_agreement(name, dtype, n):
    image, planes = _sample(dtype, n)
    augment = OnlineAugmenter(name, SIZE)
    known = set(np.unique(planes)) | {0}
    moved = 0
    for seed in range(12):
        out, labels = augment(image, planes, seed)
        assert (out.shape, out.dtype, labels.shape, labels.dtype) == (image.shape, np.uint8, planes.shape, planes.dtype)
        assert set(np.unique(labels)) <= known
        moved += not np.array_equal(labels, planes)
        bright, held = cv2.medianBlur(out, 3) > 125, labels.any(0)
        core = cv2.erode(held.astype(np.uint8), np.ones((5, 5))) > 0
        if name != "strong" and core.any():  # strong also paints holes
            assert bright[core].mean() > 0.98
    assert moved > 3


def test_a_seed_moves_alike_also_in_another_process():
    image, planes = _sample()
    augment = OnlineAugmenter("strong", SIZE)
    twin = pickle.loads(pickle.dumps(augment))
    first = augment(image, planes, 7)
    augment(image, planes, 8)
    for other in (augment(image, planes, 7), twin(image, planes, 7)):
        assert (first[0] == other[0]).all()
        assert (first[1] == other[1]).all()
    assert not all((augment(image, planes, seed)[1] == first[1]).all() for seed in range(8, 14))


def test_a_flip_keeps_every_class():
    image, planes = _sample()
    out, labels = OnlineAugmenter([{"HorizontalFlip": {"p": 1.0}}], SIZE)(image, planes, 0)
    assert (labels == planes[:, :, ::-1]).all()
    assert (out == image[:, ::-1]).all()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nosuch", "'nosuch' is none of: none, flip"),
        ([{"NoSuchTransform": {}}], "albumentations has no transform 'NoSuchTransform'"),
        ([{"Affine": {"rotat": 3}}], "Affine does not take these arguments: .*rotat"),
        ([{"Affine": {"rotate": "wild"}}], "Affine does not take these arguments"),
        ([{"RandomCrop": {"height": 8, "width": 8, "p": 1.0}}], "changes a film of"),
        (["Affine"], "'Affine' is not of the form"),
        ([{"Affine": {"rotate": [20, 20], "mask_interpolation": 1, "p": 1.0}}], "blends labels"),
    ],
)
def test_what_cannot_be_meant_is_refused(spec, said):
    with pytest.raises(UsageError, match=said):
        OnlineAugmenter(spec, SIZE)
