"""Tiling, blending, back-projection and the measures, with networks that are functions."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import Point, Polygon

from augment.superres.edges import FARTHEST, edge_shifts, summarise
from augment.superres.errors import EdgesMovedError
from augment.superres.fidelity import assess
from augment.superres.resample import back_project, enlarge, shrink
from augment.superres.restore import Settings, coarse, combine, network_picture, restore
from augment.superres.tiling import run_tiles, tiles
from augment.superres.windows import Window
from curate.errors import CarpusError, UsageError
from curate.sample.annotation import Annotation
from tests.augment.superres_nets import compact_state, hand_like


class Sharpening:
    """Enlarges by bicubic after a sharpening whose every pixel sees ``halo`` pixels; ``turn`` adds what a GAN would."""

    batch, device = 3, "cpu"

    def __init__(self, scale=4, amount=0.8, shift=(0.0, 0.0), level=0.0, halo=8):
        self.scale, self.halo, self.amount, self.shift, self.level = scale, halo, amount, shift, level

    def __call__(self, stack, margin):
        return np.stack([self._one(tile, margin) for tile in stack])

    def _one(self, tile, margin):
        soft = cv2.blur(tile, (5, 5))
        big = enlarge(np.ascontiguousarray(tile + self.amount * (tile - soft)), self.scale)
        if any(self.shift):
            move = np.array([[1, 0, self.shift[0] * self.scale], [0, 1, self.shift[1] * self.scale]])
            size = (big.shape[1], big.shape[0])
            big = cv2.warpAffine(big, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        cut = margin * self.scale
        return (big + self.level / 255)[cut : big.shape[0] - cut, cut : big.shape[1] - cut].astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(16, 300))
def test_tiles_cover_a_film_once(width, height, edge):
    seen = np.zeros((height, width), np.int32)
    for tile in tiles((width, height), edge):
        assert tile.width <= edge + 3
        assert tile.width % 4 == tile.height % 4 == 0
        seen[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
    assert (seen == 1).all()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(8, 120), st.integers(8, 120), st.integers(16, 64), st.sampled_from([(2, False), (3, True), (4, True)])
)
def test_tiled_equals_untiled(height, width, edge, how):
    film = hand_like(height, width, 1).astype(np.float32)
    network = Sharpening()
    pieces = network_picture(film, network, Settings(how[0], how[1], tile=edge))
    whole = network_picture(film, network, Settings(how[0], how[1], tile=4096))
    assert pieces.shape == (height * (how[0] if how[1] else 1), width * (how[0] if how[1] else 1))
    assert np.abs(pieces - whole).max() < 0.01


def test_a_margin_too_small_is_what_makes_seams():
    """The test above can fail: without margins the same network leaves steps at the tiles' edges."""
    film = hand_like(96, 96).astype(np.float32)
    whole = network_picture(film, Sharpening(), Settings(tile=4096))
    assert np.abs(network_picture(film, Sharpening(halo=0), Settings(tile=32)) - whole).max() > 2


def test_films_smaller_than_the_margin_and_odd_sizes():
    for shape in ((1, 1), (3, 50), (17, 5)):
        gray = hand_like(64, 64)[: shape[0], : shape[1]]
        for how in (Settings(2), Settings(4, True), Settings(3)):
            result = restore(gray, Sharpening(halo=20), how)
            assert result.shape == (shape[0] * how.factor, shape[1] * how.factor)


def test_batches_are_as_large_as_asked_and_keep_their_order():
    sizes = []

    def network(stack, margin):
        sizes.append(len(stack))
        return stack[:, margin:-margin, margin:-margin]

    film = np.random.default_rng(0).random((64, 80)).astype(np.float32)
    out = np.zeros_like(film)
    for tile, result in run_tiles(film, network, 16, 4, 6):
        out[tile.y : tile.y + 16, tile.x : tile.x + 16] = result
    assert sizes == [6, 6, 6, 2]
    np.testing.assert_array_equal(out, film)


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 90), st.integers(10, 90), st.integers(2, 4), st.booleans(), st.floats(0, 1), st.integers(0, 9))
def test_a_result_shrunk_is_the_film(height, width, scale, bigger, strength, seed):
    """However wrong the network's grey levels; to the rounding of 8 bits."""
    gray = hand_like(height, width, seed)
    how = Settings(scale, bigger, strength)
    result = restore(gray, Sharpening(level=9.0, amount=2.0), how)
    difference = shrink(result.astype(np.float32), scale) - coarse(gray.astype(np.float32), how)
    assert np.abs(difference).max() <= 0.5  # what rounding each pixel to whole levels can leave


def test_without_back_projection_the_networks_grey_levels_stay():
    gray = np.full((40, 40), 100, np.uint8)
    assert (restore(gray, Sharpening(level=9.0), Settings(strength=1, rounds=0)) == 109).all()
    assert (restore(gray, Sharpening(level=9.0), Settings(strength=1)) == 100).all()


def test_strength_blends_from_bicubic():
    film = hand_like(60, 60).astype(np.float32)
    network = Sharpening()
    big = enlarge(film, 2)
    none, half, full = (
        combine(film, network_picture(film, network, how), how)
        for how in (Settings(2, True, s, rounds=0) for s in (0, 0.5, 1))
    )
    np.testing.assert_allclose(none, np.clip(big, 0, 255), atol=1e-3)
    inner = (full > 1) & (full < 254) & (none > 1) & (none < 254)
    np.testing.assert_allclose(half[inner], (none + full)[inner] / 2, atol=1e-3)


def test_correcting_in_strips_is_correcting_at_once():
    film = hand_like(70, 50).astype(np.float32)
    start = enlarge(film, 3) + 5
    whole = back_project(start.copy(), film, 3, 4)
    for rows in (1, 7, 64):
        np.testing.assert_allclose(back_project(start.copy(), film, 3, 4, rows), whole, atol=1e-3)


def test_deep_films_keep_their_depth():
    deep = (np.add.outer(np.arange(60), np.arange(60)) * 500 + 7).astype(np.uint16)
    result = restore(deep, Sharpening(amount=0.2), Settings(4, True, rounds=20))
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 2000
    back = result.reshape(60, 4, 60, 4).mean((1, 3))
    assert np.abs(back - deep)[4:-4, 4:-4].max() < 20  # of 65,535: a twelfth of one 8-bit level


@pytest.mark.parametrize(
    ("options", "name"),
    [({"scale": 5}, "--scale"), ({"strength": 1.5}, "--strength"), ({"strength": float("nan")}, "--strength"),
     ({"rounds": -1}, "--rounds"), ({"tile": 3}, "--tile"), ({"engine": "magic"}, "--engine")],
)
def test_settings_out_of_range_are_refused(options, name):
    with pytest.raises(UsageError, match=name):
        Settings(**options)


def test_a_network_that_enlarges_too_little_is_refused():
    with pytest.raises(UsageError, match="enlarges by 2, not by 4"):
        restore(hand_like(32, 32), Sharpening(2), Settings(4, True))


TURN = np.arange(0, 6.28, 0.1)
BONE = Polygon(np.stack([60 + 30 * np.cos(TURN) * (1 + 0.2 * np.sin(3 * TURN)), 64 + 40 * np.sin(TURN)], 1))


def _film_of(shape, size=(128, 128), soft=1.0, noise=2.0):
    """A film in which a bone fills the polygon (its vertices in 1/16 px), soft and a little noisy."""
    gray = np.full(size, 60, np.float32)
    points = np.rint(np.array(shape.exterior.coords) * 16).astype(np.int32)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, shift=4)
    gray += mask * (100 / 255)
    gray = cv2.GaussianBlur(gray, (0, 0), soft) + np.random.default_rng(0).normal(0, noise, size)
    return np.clip(gray, 0, 255).astype(np.uint8)


BONES = [Annotation("bone", BONE, "0")]


def _moved(before, after, factor=1):
    return summarise(edge_shifts(before, after, BONES, factor))["bone"]


@pytest.mark.parametrize("grown", [-1.25, -0.6, 0.4, 0.7, 1.5])
def test_a_bone_that_grew_is_measured_in_pixels(grown):
    found = _moved(_film_of(BONE), _film_of(BONE.buffer(grown)))
    assert found["drift"] == pytest.approx(grown, abs=0.12)
    assert found["clear"] > 0.95


def test_what_moves_nothing_is_measured_as_nothing():
    film = _film_of(BONE)
    assert _moved(film, film)["moved"] < 0.02
    assert _moved(film, cv2.GaussianBlur(film, (0, 0), 1))["moved"] < 0.2
    assert _moved(film, cv2.addWeighted(film, 2, cv2.GaussianBlur(film, (0, 0), 2), -1, 0))["moved"] < 0.2
    assert _moved(film, enlarge(film, 4), 4)["moved"] < 0.05
    assert abs(_moved(film, enlarge(film, 2), 2)["drift"]) < 0.01  # one grid: half a pixel's slip would show


def test_another_bone_in_its_place_counts_as_moved_farthest():
    film = _film_of(BONE)
    other = _film_of(affinity.translate(BONE, 25, 20))
    assert _moved(film, other)["moved"] == FARTHEST


def test_flat_films_and_bones_at_the_border_have_no_edge_to_move():
    flat = np.full((128, 128), 90, np.uint8)
    found = _moved(flat, flat)
    assert found["points"] == 0
    assert np.isnan(found["moved"])
    away = [Annotation("bone", Point(0, 0).buffer(8), "0")]
    assert edge_shifts(flat, flat, away) == []


def _assess(network, **options):
    film = _film_of(BONE, (132, 132))
    window = Window("film", 0, 0, 132, tuple(BONES))
    return assess([window], lambda sample: film, network, Settings(**options))


def test_a_good_network_is_measured_as_good():
    found = _assess(Sharpening(amount=0.3))
    found.check()
    assert found.moved[0] == "bone"
    assert found.moved[1] < 0.2
    assert found.after < 0.3
    ours, bicubic = found.round_trip["this setting"], found.round_trip["bicubic"]
    assert ours[0] > bicubic[0] > 20
    assert 0 < bicubic[1] <= 1
    text = "\n".join(found.lines())
    for word in ("dB", "lanczos", "back-projection", "bone edges moved", "s per megapixel"):
        assert word in text


@pytest.mark.parametrize("bigger", [False, True])
def test_a_network_that_moves_edges_is_refused(bigger):
    found = _assess(Sharpening(shift=(1.0, 0.0)), strength=1.0, rounds=0, enlarge=bigger)
    with pytest.raises(EdgesMovedError, match=r"bone: its edge moves.*--force"):
        found.check()
    assert found.before > 1
    # back-projection does what it is for: an enlarged film has the film's own edges again
    if bigger:
        assert _assess(Sharpening(shift=(1.0, 0.0)), strength=1.0, enlarge=True).moved[1] < found.moved[1] / 2


def test_out_of_memory_is_one_line():
    pytest.importorskip("torch")
    from augment.superres.network import Network

    network = Network(compact_state(), "net")

    def full(x):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")

    network._model.forward = full
    with pytest.raises(CarpusError, match="out of memory with 1 tiles of 20 x 16 pixels; take a smaller --tile"):
        network(np.zeros((1, 16, 20), np.float32))


def test_the_realesrgan_packages_import_fault_is_worked_round(tmp_path):
    """A stand-in that fails as the package does beside today's torchvision; the real one is tried below."""
    pytest.importorskip("torch")
    (tmp_path / "realesrgan.py").write_text(
        "from torchvision.transforms.functional_tensor import rgb_to_grayscale\nname = rgb_to_grayscale.__name__\n"
    )
    code = (
        "from augment.superres.realesrgan_engine import import_realesrgan\n"
        "print(import_realesrgan().name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        capture_output=True, text=True, check=False,
    )
    assert done.stdout.strip() == "rgb_to_grayscale", done.stderr


@pytest.mark.filterwarnings("ignore")  # the package's own, of the libraries that have moved on since
@pytest.mark.parametrize("kind", ["compact", "rrdb"])
def test_the_realesrgan_package_agrees(kind, tmp_path):
    if importlib.util.find_spec("basicsr") is None or importlib.util.find_spec("realesrgan") is None:
        pytest.skip("the realesrgan package is not installed to compare with")
    from augment.superres.network import network_of
    from augment.superres.realesrgan_engine import PackageNetwork
    from augment.superres.weights import find_weights
    from tests.augment.superres_nets import rrdb_state, save

    state = compact_state(layers=2) if kind == "compact" else rrdb_state(features=8)
    weights = find_weights(str(save(state, tmp_path / "net.pth")))
    tile = hand_like(40, 44)[None].astype(np.float32) / 255
    ours, theirs = network_of(weights)(tile, 4), PackageNetwork(weights)(tile, 4)
    assert np.abs(ours - theirs).max() * 255 < 1
