"""Films at training size: what goes into the store comes out, labels included, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely import box

from curate.errors import CarpusError
from curate.sample.annotation import Annotation
from curate.sample.raster import label_plane
from train.data.films import FilmStore, TrainingFilm, encode_runs, letterbox, pack, trim, unpack, weighted_planes

CLASSES = ("a", "b", "c")


def _annotation(label, geometry, weight=1.0, source=None):
    return Annotation(label, geometry, f"{label}-{weight}", source, weight)


@given(arrays(np.uint32, st.tuples(st.integers(1, 3), st.just(5), st.just(5)), elements=st.integers(0, 3)))
def test_a_packed_film_comes_back(planes):
    image = np.arange(25, dtype=np.uint8).reshape(5, 5)
    weights = np.linspace(0.25, 1, len(planes), dtype=np.float32)
    back = unpack(pack(TrainingFilm(image, planes, weights)))
    assert (back.image == image).all()
    assert (back.planes == planes).all()
    assert back.planes.dtype == np.uint32
    assert (back.weights == weights).all()


def test_64_bits_and_runs():
    planes = np.zeros((1, 4, 4), np.uint64)
    planes[0, 1, 1:3] = np.uint64(1) << np.uint64(63)
    assert encode_runs(planes)[1].tolist() == [5, 2, 9]
    back = unpack(pack(TrainingFilm(np.zeros((4, 4), np.uint8), planes, np.ones(1, np.float32))))
    assert (back.planes == planes).all()


@pytest.mark.parametrize("size", [(96, 96), (96, 60), (50, 96)])
def test_the_store_gives_the_polygons_drawn_at_training_size(tmp_path, size):
    width, height = size
    store = FilmStore(tmp_path, 96, CLASSES)
    annotations = [_annotation("a", box(3.2, 4, 30.7, 20)), _annotation("c", box(20, 10, 40.4, 44.5))]
    image = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    store.put("sha256:ab12", image, annotations)
    film = store.get("sha256:ab12")
    assert "sha256:ab12" in store
    assert (film.image[:height, :width] == image).all()
    assert (film.planes[0] == label_plane(annotations, CLASSES, (96, 96))).all()
    assert film.weights.tolist() == [1.0]


def test_the_letterbox_has_the_films_own_background():
    image = np.full((10, 4), 37, np.uint8)
    image[3:6, 1:3] = 200
    boxed = letterbox(image, 10)
    assert (boxed[:, 4:] == 37).all()
    assert (boxed[:, :4] == image).all()


def test_mixup_has_one_plane_a_parent_and_the_rest_share_one():
    annotations = [
        _annotation("a", box(0, 0, 9, 9), 0.3, "p#1"), _annotation("b", box(0, 0, 9, 9), 0.3, "p#2"),
        _annotation("a", box(5, 5, 12, 12), 0.7, "q#1"),
    ]  # fmt: skip
    planes, weights = weighted_planes(annotations, CLASSES, (16, 16))
    assert len(planes) == 2
    assert weights.tolist() == pytest.approx([0.3, 0.7])
    assert planes[0, 2, 2] == 0b11
    assert planes[1, 6, 6] == 0b01
    halves = [_annotation("a", box(0, 0, 9, 9), 0.5, "p#1"), _annotation("a", box(0, 0, 9, 9), 0.5, "q#1")]
    assert len(weighted_planes(halves, CLASSES, (16, 16))[0]) == 2, "two parents of one weight add up"
    mosaic = [_annotation("a", box(0, 0, 4, 4), 1.0, "p#1"), _annotation("a", box(8, 8, 12, 12), 1.0, "q#1")]
    assert len(weighted_planes(mosaic, CLASSES, (16, 16))[0]) == 1
    assert weighted_planes([], CLASSES, (16, 16))[0].shape == (1, 16, 16)


def test_a_damaged_or_missing_film_is_named(tmp_path):
    store = FilmStore(tmp_path, 16, CLASSES)
    with pytest.raises(CarpusError, match="gone"):
        store.get("sha256:00ff")
    store.put("sha256:00ff", np.zeros((16, 16), np.uint8), [])
    path = store.path("sha256:00ff")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CarpusError, match=r"00ff\.film: a decoded film is damaged"):
        store.get("sha256:00ff")


def test_other_classes_and_sizes_have_stores_of_their_own(tmp_path):
    assert FilmStore(tmp_path, 16, ("a", "b")).folder != FilmStore(tmp_path, 16, ("b", "a")).folder
    assert FilmStore(tmp_path, 16, ("a", "b")).folder != FilmStore(tmp_path, 32, ("a", "b")).folder


def test_the_cache_is_bounded_and_spares_what_is_needed(tmp_path):
    import os

    store = FilmStore(tmp_path, 32, CLASSES)
    for k in range(6):
        store.put(f"sha256:{k}{k}", np.zeros((32, 32), np.uint8), [])
        os.utime(store.path(f"sha256:{k}{k}"), (k, k))
    one = store.path("sha256:00").stat().st_size
    trim(tmp_path, 3 * one, frozenset([store.path("sha256:00")]))
    assert [k for k in range(6) if f"sha256:{k}{k}" in store] == [0, 4, 5]
