"""The renderer: one transform for pixels and vertices, exact areas, labels that agree with the picture."""

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from curate.errors import RecipeError
from curate.sample.annotation import Annotation
from curate.sample.geometry import (
    compose,
    flip_affine,
    frame,
    rotation_about,
    scale_affine,
    transform_geometry,
    translation,
)
from curate.sample.labels import SLIVER_AREA
from curate.sample.raster import coverage
from curate.sample.recipe import Field, Filter, Placement, Recipe
from curate.sample.render import render
from curate.sample.warp import Film
from tests.shapes import ZOO, polygons

SIZE = 64


def make(affine, shapes, film=None, region=None, size=(SIZE, SIZE), scale=1.0, **rest):
    gray = np.zeros((SIZE, SIZE), np.uint8) if film is None else film
    place = Placement.of("p", affine, region or frame(*size), **rest)
    recipe = Recipe("test", 1, 0, size, (place,))
    annotations = tuple(Annotation("bone", s, str(k)) for k, s in enumerate(shapes))
    return render(recipe, lambda _: Film(gray, 0), lambda _: annotations, scale)


def affine_of(angle, zoom, dx, dy, mirror):
    base = flip_affine(SIZE) if mirror else scale_affine(1.0)
    return compose(translation(dx, dy), rotation_about(angle, (31.5, 31.5)), scale_affine(zoom), base)


affines = st.builds(
    affine_of, st.floats(-180, 180), st.floats(0.4, 1.6), st.floats(-20, 20), st.floats(-20, 20), st.booleans()
)


@given(polygons(), affines)
@settings(deadline=None)
def test_area_is_that_of_the_transformed_and_clipped_polygon(shape, affine):
    exact = transform_geometry(shape, affine).intersection(box(*frame(SIZE, SIZE)))
    done = make(affine, [shape])
    kept = sum(a.geometry.area for a in done.annotations)
    assert kept + done.dropped.sliver_area == pytest.approx(exact.area, rel=1e-9, abs=1e-9)
    assert all(a.geometry.is_valid for a in done.annotations)
    assert all(a.source == "p#0" and len(a.parts) == 1 for a in done.annotations)


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_in_a_quarter_of_the_frame(name):
    region = (-0.5, -0.5, 31.5, 31.5)
    done = make(scale_affine(0.75), [ZOO[name]], region=region)
    exact = transform_geometry(ZOO[name], scale_affine(0.75)).intersection(box(*region))
    assert sum(a.geometry.area for a in done.annotations) + done.dropped.sliver_area == pytest.approx(
        exact.area, rel=1e-9
    )
    union = shapely.union_all([a.geometry for a in done.annotations])
    assert shapely.symmetric_difference(union, exact).area <= done.dropped.sliver_area + 1e-9


def far_from_edge(mask, distance=1.5):
    """Pixels further than ``distance`` from any change of a mask."""
    a = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    b = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    return np.maximum(a, b) > distance


@given(polygons(), affines, st.sampled_from([1.0, 0.5, 0.25]))
@settings(deadline=None)
def test_a_film_painted_with_its_label_agrees_with_the_label(shape, affine, scale):
    shape = shape.intersection(box(*frame(SIZE, SIZE))).buffer(0)
    if shape.geom_type != "Polygon" or shape.area < 40:
        shape = box(10, 12, 40, 50)
    film = np.where(coverage(shape, (SIZE, SIZE)), np.uint8(255), np.uint8(0))
    done = make(affine, [shape], film=film, scale=scale)
    size = (done.image.shape[1], done.image.shape[0])
    label = np.zeros((size[1], size[0]), bool)
    for a in done.annotations:
        label |= coverage(a, size)
    picture = done.image >= 128
    differ = picture != label
    assert not (differ & far_from_edge(label) & far_from_edge(picture)).any()
    # what differs lies along the edge: never a body of its own
    assert differ.sum() <= 2.5 * sum(a.geometry.length for a in done.annotations) + 8


def test_identity_gives_the_film_and_the_polygon_back_untouched():
    film = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    done = make(scale_affine(1), [ZOO["hole"]], film=film)
    assert np.array_equal(done.image, film)
    assert done.annotations[0].geometry.equals_exact(ZOO["hole"], 0)


def test_half_size_is_the_average_of_blocks():
    film = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    done = make(scale_affine(0.5), [], film=film, size=(32, 32))
    assert np.array_equal(done.image, cv2.resize(film, (32, 32), interpolation=cv2.INTER_AREA))


def test_flip_twice_is_identity_for_pixels_and_vertices():
    film = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    once = make(flip_affine(SIZE), [ZOO["concave"]], film=film)
    assert np.array_equal(once.image, film[:, ::-1])
    twice = make(flip_affine(SIZE), [once.annotations[0].geometry], film=once.image)
    assert np.array_equal(twice.image, film)
    assert twice.annotations[0].geometry.equals(ZOO["concave"])


def test_a_clipped_two_part_bone_keeps_both_parts():
    done = make(translation(0, -20), [ZOO["concave"]])
    assert len(done.annotations) == 2  # the bridge left the frame
    assert {a.source for a in done.annotations} == {"p#0"}


def test_slivers_are_dropped_and_counted_but_whole_bones_never():
    edge = box(10, 2, 12, 40)
    done = make(translation(-11.6, 0), [edge])
    assert done.annotations  # 0.9 px wide, 38 px long
    done = make(translation(-12.45, 0), [edge])
    assert not done.annotations
    assert done.dropped.slivers == {"bone": 1}
    assert 0 < done.dropped.sliver_area < SLIVER_AREA
    assert make(scale_affine(1), [ZOO["tiny"]]).annotations
    assert make(translation(100, 0), [edge]).dropped.left == {"bone": 1}


def test_a_part_of_exactly_the_stated_area_is_no_sliver():
    cut = box(10, 2, 60, 2 + SLIVER_AREA)  # one pixel of its width stays
    done = make(translation(-59, 0), [cut], region=(-0.5, -0.5, SIZE - 0.5, SIZE - 0.5))
    assert done.annotations[0].geometry.area == SLIVER_AREA * 1.5
    done = make(translation(-59.5, 0), [cut])
    assert [a.geometry.area for a in done.annotations] == [SLIVER_AREA]
    assert make(translation(-59.5 - 2**-10, 0), [cut]).dropped.slivers == {"bone": 1}


def test_the_whole_film_is_the_whole_frame():
    done = make(translation(0, 0), [box(-9, -9, SIZE + 9, SIZE + 9)])
    assert [a.geometry.area for a in done.annotations] == [SIZE * SIZE]
    assert frame(SIZE, 3) == (-0.5, -0.5, SIZE - 0.5, 2.5)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_regions_that_tile_the_frame_leave_no_pixel_between_them(scale):
    film = np.full((SIZE, SIZE), 200, np.uint8)
    low, high, border = -0.5, SIZE - 0.5, (20.3, 44.7)
    left = [(low, low), (border[0], low), (border[1], high), (low, high)]
    right = [(border[0], low), (high, low), (high, high), (border[1], high)]
    places = tuple(Placement.of("p", translation(0, 0), ring) for ring in (left, right))
    recipe = Recipe("test", 1, 0, (SIZE, SIZE), places, fill=0)
    assert (render(recipe, lambda _: Film(film, 0), lambda _: (), scale).image == 200).all()


def two(*places, size=(SIZE, SIZE), films=None, shapes=None, **rest):
    films = films or {"a": np.full((SIZE, SIZE), 60, np.uint8), "b": np.full((SIZE, SIZE), 200, np.uint8)}
    shapes = shapes or {"a": box(4, 4, 60, 60), "b": box(20, 20, 50, 50)}
    recipe = Recipe("test", 1, 0, size, tuple(places), **rest)
    return render(
        recipe, lambda p: Film(films[p], 0), lambda p: (Annotation("bone", shapes[p], "0"),)
    )


def test_a_later_replacement_cuts_the_labels_below_exactly():
    done = two(
        Placement.of("a", scale_affine(1), frame(SIZE, SIZE)),
        Placement.of("b", scale_affine(1), (24.5, 24.5, 39.5, 39.5)),
    )
    below, above = done.annotations
    assert len(below.geometry.interiors) == 1
    assert below.geometry.area == 56 * 56 - 15 * 15
    assert above.geometry.area == 15 * 15
    assert (done.image[25:40, 25:40] == 200).all()
    assert (done.image == 60).sum() == SIZE * SIZE - 225


def test_a_mean_weighs_pixels_and_annotations():
    done = two(
        Placement.of("a", scale_affine(1), frame(SIZE, SIZE), blend="mean", weight=0.75),
        Placement.of("b", scale_affine(1), frame(SIZE, SIZE), blend="mean", weight=0.25),
    )
    assert (done.image == 95).all()
    assert [a.weight for a in done.annotations] == [0.75, 0.25]
    assert [a.geometry.area for a in done.annotations] == [56 * 56, 900]


def test_attenuation_multiplies_transmissions():
    done = two(
        Placement.of("a", scale_affine(1), frame(SIZE, SIZE)),
        Placement.of("b", scale_affine(1), (9.5, 9.5, 19.5, 19.5), blend="attenuate"),
    )
    assert done.image[15, 15] == round(255 - (255 - 60) * (255 - 200) / 255)
    assert done.image[5, 5] == 60
    assert done.annotations[0].geometry.area == 56 * 56  # seen through, so not cut


def test_a_field_moves_pixels_and_vertices_alike():
    rng = np.random.default_rng(3)
    field = Field(5, 5, tuple(rng.uniform(-4, 4, 25)), tuple(rng.uniform(-4, 4, 25)))
    shape = box(14, 14, 48, 44)
    film = np.where(coverage(shape, (SIZE, SIZE)), np.uint8(255), np.uint8(0))
    done = make(scale_affine(1), [shape], film=film, field=field)
    label = coverage(done.annotations[0], (SIZE, SIZE))
    assert not ((done.image >= 128) ^ label)[far_from_edge(label)].any()
    assert abs(label.astype(int) - coverage(shape, (SIZE, SIZE))).sum() > 100  # it did move


def test_a_field_that_folds_is_refused():
    field = Field(2, 2, (0.0, -80.0, 0.0, -80.0), (0.0,) * 4)
    with pytest.raises(RecipeError, match="cannot fold"):
        make(scale_affine(1), [], field=field)


@given(affines, st.sampled_from([0.5, 0.25]))
@settings(deadline=None, max_examples=40)
def test_a_small_render_has_the_same_annotations_as_a_full_one(affine, scale):
    full, small = make(affine, ZOO.values()), make(affine, ZOO.values(), scale=scale)
    assert len(full.annotations) == len(small.annotations)
    for a, b in zip(full.annotations, small.annotations, strict=True):
        assert b.geometry.area == pytest.approx(a.geometry.area * scale**2, rel=1e-9)


def test_a_recipe_survives_its_own_json():
    field = Field(2, 2, (1.0,) * 4, (2.0,) * 4)
    place = Placement.of("p", rotation_about(13.7, (31, 31)), frame(SIZE, SIZE), field=field)
    ring = Placement.of("q", scale_affine(0.5), [[0, 0], [9, 0], [0, 9]], blend="mean", weight=0.3)
    recipe = Recipe("x", 2, 714, (SIZE, SIZE), (place, ring), 12, (Filter("blur", {"k": 3}, 2.0),))
    again = Recipe.from_dict(recipe.to_dict())
    assert again == recipe
    assert again.canonical() == recipe.canonical()
    assert recipe.output_size == (128, 128)
    assert recipe.parents == ("p", "q")
    assert recipe.digest({"p": "1", "q": "2"}) != recipe.digest({"p": "1", "q": "3"})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"placements": []}, "at least one placement"),
        ({"size": [0, 5]}, "not a picture's"),
        ({"fill": "white"}, "neither"),
        ({"operator": None, "seed": "x"}, "cannot be read"),
        ({"placements": [{"parent": "p", "affine": [[1, 0, 0], [2, 0, 0]], "region": [0, 0, 1, 1]}]}, "singular"),
        ({"placements": [{"parent": "p", "affine": [[1, 0, 0], [0, 1, 0]], "region": [5, 0, 1, 1]}]}, "is empty"),
        (
            {"placements": [{"parent": "p", "affine": [[1, 0, 0], [0, 1, 0]], "region": [0, 0, 1, 1], "blend": "x"}]},
            "is none of",
        ),
    ],
)
def test_a_recipe_that_cannot_be_rendered_is_refused(change, fault):
    good = Recipe("x", 1, 0, (8, 8), (Placement.of("p", scale_affine(1), frame(8, 8)),)).to_dict()
    with pytest.raises(RecipeError, match=fault):
        Recipe.from_dict(good | change)
