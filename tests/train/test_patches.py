"""Patches at native size: what is cut is what is there, where the seed says, whatever it is cut from."""

from __future__ import annotations

import dataclasses
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

torch = pytest.importorskip("torch")

from augment.cli import app as augment  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from curate.sample.annotation import Annotation  # noqa: E402
from curate.sample.read import SampleReader  # noqa: E402
from curate.terminal import run  # noqa: E402
from train.config import load  # noqa: E402
from train.data.draws import DrawSampler, make_loader  # noqa: E402
from train.data.feed import inner_set, open_store, training_set  # noqa: E402
from train.data.natives import NativeFilm, NativeStore, pack_native, spread_centres, unpack_native  # noqa: E402
from train.data.patches import Patches, patch_corner  # noqa: E402
from train.data.prepare import prepare  # noqa: E402
from train.data.windows import has_windows, render_window  # noqa: E402

CLASSES = ("large", "small", "absent")
SIDE = 48


def _film(width=80, height=60) -> NativeFilm:
    planes = np.zeros((1, height, width), np.uint32)
    planes[0, 5:55, 5:60] |= 1
    planes[0, 30:33, 70:74] |= 2
    image = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    data = pack_native(image, (width, height), 7, planes, np.ones(1, np.float32), len(CLASSES))
    return unpack_native(data)


@given(st.integers(0, 79), st.integers(0, 59), st.integers(1, 100), st.sampled_from([np.uint32, np.uint64]))
@settings(deadline=None, max_examples=60)
def test_a_window_is_the_part_of_the_whole_and_background_beyond(x, y, side, dtype):
    rng = np.random.default_rng(side)
    planes = rng.integers(0, 3, (2, 60, 80)).repeat(2, 2)[:, :, :80].astype(dtype)
    image = rng.integers(0, 255, (60, 80), dtype=np.uint8)
    film = unpack_native(pack_native(image, (80, 60), 7, planes, np.array([0.3, 0.7], np.float32), 3))
    padded = np.full((60 + side, 80 + side), 7, np.uint8)
    padded[:60, :80] = image
    assert (film.pixels(x, y, side) == padded[y : y + side, x : x + side]).all()
    labels = np.zeros((2, 60 + side, 80 + side), dtype)
    labels[:, :60, :80] = planes
    cut = film.planes(x, y, side)
    assert cut.dtype == dtype
    assert (cut == labels[:, y : y + side, x : x + side]).all()
    assert film.weights.tolist() == pytest.approx([0.3, 0.7])


def test_centres_lie_on_their_class_and_are_spread_over_it():
    planes = np.zeros((2, 50, 70), np.uint64)
    planes[0, 10:40, 5:65] |= np.uint64(1)
    planes[1, 20, 30] |= np.uint64(1) << np.uint64(40)
    centres = spread_centres(planes, 64)
    assert sorted(set(centres[:, 0])) == [0, 40]
    assert centres[centres[:, 0] == 40].tolist() == [[40, 30, 20]]
    large = centres[centres[:, 0] == 0]
    assert len(large) == 64
    assert large[:, 2].min() < 12
    assert large[:, 2].max() > 37


def test_the_stated_share_of_patches_is_centred_on_a_bone_drawn_by_class_weight():
    film, n = _film(400, 300), 4000
    shares = np.array([1.0, 3.0, 5.0])  # the third is not on this film
    small, anywhere = 0, 0
    for draw in range(n):
        x, y = patch_corner(film, 20, 0.6, shares, np.random.default_rng((0, 2, draw)))
        small += 70 <= x + 10 < 74 and 30 <= y + 10 < 33
        anywhere += x + 10 >= 100
    assert small / n == pytest.approx(0.6 * 0.75, abs=0.03)
    assert anywhere / n == pytest.approx(0.4 * 0.75, abs=0.03)
    for draw in range(50):  # a patch never leaves a film that is larger
        x, y = patch_corner(film, 290, 0.6, shares, np.random.default_rng(draw))
        assert 0 <= x <= 110
        assert 0 <= y <= 10


@pytest.fixture
def turned(tiny):
    """v3: the tiny set's mosaics, and virtual rotations and crops of its films."""
    made = (["rotate", "--turned"], ["crop", "--classes", "Ulna", "--size", "80"], ["mixup"])
    for words in made:
        assert run(augment, [*words, "--n", "4", "--virtual", "--data", str(tiny)]) == 0
    return Manifest.open(tiny).version("v5")


def test_a_window_of_a_virtual_child_is_that_part_of_the_whole_child(turned):
    reader = SampleReader(turned)
    children = [row for row in turned.samples if not row.is_original]
    assert {row.recipe["operator"] for row in children} == {"mosaic", "rotate", "crop", "mixup"}
    worst = 0
    for row in children:
        recipe = row.plan()
        assert has_windows(recipe)
        whole = reader.image(row.id)
        for x, y in ((0, 0), (11, 17), (row.width - 20, row.height - 25)):
            seen = render_window(recipe, reader.film, x, y, SIDE, 3).astype(int)
            part = whole[y : y + SIDE, x : x + SIDE]
            inside = seen[: part.shape[0], : part.shape[1]]
            worst = max(worst, np.abs(inside - part).max())
            assert (np.abs(inside - part) > 1).mean() < 0.01
            assert (seen[part.shape[0] :] == 3).all()
    assert worst <= 8  # of a film that is noise: a resampling's position is rounded to 1/32 pixel


def test_patches_of_a_version_carry_the_labels_of_their_place(turned):
    config = load(None, [f"patch={SIDE}", "augment=none"])
    store = open_store(turned.manifest.root / "cache", config, turned.manifest.classes)
    rows = [row for row in turned.samples if row.labelled]
    assert prepare(turned, rows, store, limit=0) == len(rows)
    reader = SampleReader(turned)
    patches = Patches(rows, store, turned.known, 0.67, np.ones(len(store.classes)), 5)
    bone = 0
    for index, row in enumerate(rows):
        stored = store.get(row.digest)
        assert (stored.image is None) == (row.recipe is not None)
        item = patches[index, 90 + index]
        x, y = patch_corner(stored, SIDE, 0.67, np.ones(4), np.random.default_rng((5, 2, 90 + index)))
        whole = reader.image(row.id)[y : y + SIDE, x : x + SIDE]
        off = np.abs(item["image"][: whole.shape[0], : whole.shape[1]].astype(int) - whole)
        assert (off > 1).mean() < 0.01
        bone += bool(item["planes"][:, SIDE // 2, SIDE // 2].any())
        assert item["weights"].sum() == pytest.approx(1)
    assert bone > 0.4 * len(rows)


def test_what_counts_from_the_whole_picture_is_not_rendered_by_windows(tiny):
    row = next(row for row in Manifest.open(tiny).version("v2").samples if not row.is_original)
    recipe = row.plan()
    assert has_windows(recipe)
    filtered = SimpleNamespace(name="CLAHE", params={}, scale=1.0)
    assert not has_windows(dataclasses.replace(recipe, filters=(filtered,)))
    through = dataclasses.replace(recipe.placements[0], blend="attenuate")
    assert not has_windows(dataclasses.replace(recipe, placements=(through,)))


def test_patches_follow_from_seed_and_draw_alone(tiny):
    config = load(None, [f"patch={SIDE}", "augment=light", "inner=0.3", "evaluate_every=2"])
    version = Manifest.open(tiny).version("v2")
    from train.arms import make_arm

    arm = make_arm(version, version, 0, 0.3)
    store = open_store(tiny / "cache", config, version.manifest.classes)
    prepare(version, (*arm.training, *arm.inner), store, limit=0)
    batches, films = [], training_set(arm, store, config, 3)
    twin = pickle.loads(pickle.dumps(films))  # what a loader process is given
    twin[0, 0], twin[2, 5]  # and what it may have done before
    for data in (films, twin):
        sampler = DrawSampler(len(arm.training), 8, seed=3)
        sampler.set_epoch(1)
        batches.append(list(make_loader(data, sampler, 4, 0, False)))
    for alone, helped in zip(*batches, strict=True):
        assert alone["ids"] == helped["ids"]
        assert alone["image"].shape == (4, 1, SIDE, SIDE)
        assert torch.equal(alone["image"], helped["image"])
        assert torch.equal(alone["planes"], helped["planes"])
    inner = inner_set(arm, store, config)
    assert len(inner) == 4 * len(arm.inner)
    assert (inner[1]["image"] == inner[1]["image"]).all()
    assert not (inner[0]["image"] == inner[1]["image"]).all(), "several patches of a film, each its own"


def test_a_damaged_native_film_is_named(tmp_path):
    from curate.errors import CarpusError

    store = NativeStore(tmp_path, CLASSES, 32)
    store.put("sha256:00ff", np.zeros((16, 16), np.uint8), (16, 16), 0, [Annotation("small", box(2, 2, 9, 9), "1")])
    assert store.get("sha256:00ff").planes(0, 0, 16)[0, 5, 5] == 2
    path = store.path("sha256:00ff")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CarpusError, match=r"00ff\.film: a decoded film is damaged"):
        store.get("sha256:00ff")
