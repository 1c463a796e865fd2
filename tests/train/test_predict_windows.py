"""Sliding windows, looks at them, and the second look at a region: where things land, and how much is held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from pathlib import Path  # noqa: E402

import cv2  # noqa: E402

from curate.errors import UsageError  # noqa: E402
from curate.presets import CARPALS  # noqa: E402
from train.predict.members import Member  # noqa: E402
from train.predict.predictor import Predictor  # noqa: E402
from train.predict.refine import Refiner, region_box  # noqa: E402
from train.predict.views import views_of  # noqa: E402
from train.predict.windows import bands, gaussian, starts  # noqa: E402
from train.upscale import PlaneWriter, plane_of_logits  # noqa: E402

CPU = torch.device("cpu")


class Levels(torch.nn.Module):
    """Knows a class by its grey level, pixel by pixel, so that masks show where pixels went."""

    def __init__(self, levels, slack=12.0):
        super().__init__()
        self.levels, self.slack = torch.tensor(levels).view(1, -1, 1, 1), slack

    def forward(self, image):
        return self.slack - (image - self.levels).abs()


def _member(levels, size=128, classes=None, patch=0):
    names = classes or tuple(f"c{k}" for k in range(len(levels)))
    return Member(Path("x"), Levels(levels), size, names, [0.5] * len(levels), np.ones(len(levels)), patch)


def _film(height=300, width=220):
    film = np.full((height, width), 20, np.uint8)
    cv2.circle(film, (60, 70), 25, 100, -1)
    cv2.ellipse(film, (150, 200), (40, 60), 30, 0, 360, 180, -1)
    return film


@given(st.integers(1, 300), st.integers(1, 120), st.floats(0, 0.9))
def test_windows_cover_the_line(length, side, overlap):
    found = starts(length, side, overlap)
    assert found[0] == 0
    assert found[-1] == max(0, length - side)
    steps = np.diff(found)
    assert (steps > 0).all()
    assert (steps <= max(int(side * (1 - overlap)), 1)).all(), "neighbours share at least the overlap"


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 60), st.integers(2, 60), st.sampled_from([1.0, 0.25, 0.37, 2.3]), st.integers(1, 9))
def test_rows_that_come_one_by_one_make_the_same_plane(width, height, scale, step):
    grid = (max(1, round(width * scale)), max(1, round(height * scale)))
    logits = np.random.default_rng(width * 61 + height).normal(0, 1, (3, grid[1], grid[0])).astype(np.float32)
    thresholds = [0.3, 0.5, 0.8]
    writer = PlaneWriter(3, grid, scale, (width, height), thresholds)
    for y in range(0, grid[1], step):
        writer.add(logits[:, y : y + step])
    assert (writer.plane == plane_of_logits(logits, scale, (width, height), thresholds)).all()


def test_bands_give_every_pixel_once_and_in_place():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (150, 90), dtype=np.uint8), (0, 0), 5)

    def run(patches):
        return np.stack([patches / 255, 1 - patches / 255], 1).astype(np.float32)

    flipped = [band.copy() for band in bands(image, 9, 48, 0.5, views_of(["flip"]), run, 2)]
    assert max(band.shape[1] for band in flipped) <= 48, "more is given out than one row of windows"
    assert np.abs(np.concatenate(flipped, 1)[0] - image / 255).max() < 1e-5
    every = bands(image, 9, 48, 0.5, views_of(["flip", "scale", "rotate"]), run, 2, batch=3)
    looked = np.concatenate([band.copy() for band in every], 1)
    assert looked.shape == (2, 150, 90)
    assert np.abs(looked[0] - image / 255)[4:-4, 4:-4].max() < 0.02, "a look is laid back beside its place"
    assert gaussian(48, 48).min() > 0


@pytest.mark.parametrize("tta", [(), ("flip", "scale", "rotate")])
def test_a_film_by_windows_is_the_film_at_once(tta):
    """For a network that looks at single pixels, windows must change nothing, whatever their size and overlap."""
    film, member = _film(), _member([100.0, 180.0], size=300)
    whole = Predictor([member], CPU, tta=tta).plane(film)
    for window, overlap in ((64, 0.5), (96, 0.25), (512, 0.5)):
        plane = Predictor([member], CPU, tta=tta, window=window, overlap=overlap).plane(film)
        assert (plane != whole).mean() < (0.003 if tta else 1e-9)


def test_windows_at_another_size_land_in_place():
    film, member = _film(), _member([100.0, 180.0], size=150)
    native = Predictor([_member([100.0, 180.0], size=300)], CPU).plane(film)
    for size in (150, 210, 600):
        plane = Predictor([member], CPU, size=size, window=64).plane(film)
        dice = 2 * ((plane & native) > 0).sum() / ((plane > 0).sum() + (native > 0).sum())
        assert dice > 0.97


def test_a_run_of_patches_looks_at_the_film_s_own_size():
    film, patched = _film(), _member([100.0, 180.0], size=64, patch=64)
    native = Predictor([_member([100.0, 180.0], size=300)], CPU).plane(film)
    assert (Predictor([patched], CPU).plane(film) == native).all()
    mixed = [patched, _member([100.0, 180.0])]
    with pytest.raises(UsageError, match="agree by vote only: hard"):
        Predictor(mixed, CPU).plane(film)
    assert Predictor(mixed, CPU, "hard").plane(film).any()


def test_several_members_by_windows_are_weighed_alike():
    film = _film()
    members = [_member([100.0, 180.0], size=300), _member([180.0, 100.0], size=300)]
    members[0].dice, members[1].dice = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    for method in ("soft", "weighted", "class-wise", "hard"):
        whole, parts = (Predictor(members, CPU, method, window=w).plane(film) for w in (0, 64))
        assert (whole == parts).all()


def test_bad_windows_are_refused():
    for options, said in (({"window": 8}, "not at least 32"), ({"size": 5}, "at least 32"), ({"overlap": 1.0}, "0.9")):
        with pytest.raises(UsageError, match=said):
            Predictor([_member([100.0])], CPU, **options)


def _hand(side=800):
    """Eight bones beside each other, each of its own grey level."""
    film, truth = np.full((side, side), 10, np.uint8), np.zeros((side, side), np.uint32)
    levels = [60.0 + 22 * k for k in range(8)]
    for k, level in enumerate(levels):
        centre = (330 + 45 * (k % 4), 300 + 50 * (k // 4))
        mask = np.zeros_like(film)
        cv2.ellipse(mask, centre, (18, 22), 15 * k, 0, 360, 1, -1)
        film[mask > 0] = level
        truth[mask > 0] |= np.uint32(1 << k)
    return film, truth, levels


def _dice(plane, truth, bits=range(8)):
    held = [((plane >> np.uint32(k)) & 1, (truth >> np.uint32(k)) & 1) for k in bits]
    return np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in held])


def test_the_second_look_is_pasted_back_in_place():
    """A coarse first look at 100 pixels, a second at 200: small bones gain, and stay where they are."""
    film, truth, levels = _hand()
    first = _member(levels, 100, CARPALS)
    coarse = Predictor([first], CPU).plane(film)
    fine = Refiner("carpal", [_member(levels, 200, CARPALS)], CPU)
    found = Predictor([first], CPU, refiner=fine).plane(film)
    assert (fine.done, fine.missed) == (1, 0)
    assert _dice(found, truth) > max(0.96, _dice(coarse, truth) + 0.02)
    own = Predictor([first], CPU, refiner=Refiner("carpal", [first], CPU, own=True)).plane(film)
    assert _dice(own, truth) > _dice(coarse, truth)


def test_the_second_look_touches_its_own_bones_only():
    film, _, levels = _hand()
    names = (*CARPALS[:6], "Radius", "Ulna")
    first = _member(levels, 100, names)
    coarse = Predictor([first], CPU).plane(film)
    second = _member([255.0] * 6, 200, CARPALS[:6])  # sees no bone at all
    found = Predictor([first], CPU, refiner=Refiner("carpal", [second], CPU)).plane(film)
    assert (found >> np.uint32(6) == coarse >> np.uint32(6)).all()
    assert not (found & np.uint32(63)).any()


def test_a_region_that_is_not_found_is_left_alone():
    film = np.full((300, 300), 10, np.uint8)
    refiner = Refiner("carpal", [_member([60.0 + 22 * k for k in range(8)], 64, CARPALS)], CPU)
    assert not Predictor(refiner.members, CPU, refiner=refiner).plane(film).any()
    assert (refiner.done, refiner.missed) == (0, 1)
    with pytest.raises(UsageError, match="'elbow' is none of: carpal"):
        Refiner("elbow", refiner.members, CPU)
    with pytest.raises(UsageError, match="has none of the bones of forearm"):
        Refiner("forearm", refiner.members, CPU)


def test_a_stray_patch_does_not_stretch_the_box():
    _, truth, _ = _hand()
    clean = region_box(truth, range(8))
    truth[700:704, 20:24] |= np.uint32(1)  # a crumb of the first bone far away
    truth[:, :] = np.where((truth >> np.uint32(7)) & 1, truth & ~np.uint32(1 << 7), truth)
    truth[760:790, 760:790] |= np.uint32(1 << 7)  # the last bone found in a corner
    box = region_box(truth, range(8))
    assert box[2] < 600
    assert box[3] < 600
    assert abs(box[0] - clean[0]) < 3
