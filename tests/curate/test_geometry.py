"""Affines and clips against shapely, cv2 and their own inverses."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import GeometryCollection, LineString, Polygon, box

from curate.sample.geometry import (
    apply_affine,
    clip,
    compose,
    flip_affine,
    frame,
    identity,
    invert,
    linear_scale,
    polygonal_parts,
    region_polygon,
    rotation_about,
    scale_affine,
    transform_geometry,
    translation,
)
from tests.shapes import ZOO, polygons

angles = st.floats(-360, 360, allow_nan=False)


def test_resize_maps_pixel_edges_to_pixel_edges():
    corners = np.array([[-0.5, -0.5], [2047.5, 1023.5]])
    assert np.allclose(apply_affine(scale_affine(0.25), corners), [[-0.5, -0.5], [511.5, 255.5]], atol=0)


def test_flip_swaps_first_and_last_pixel_centre():
    assert apply_affine(flip_affine(100), np.array([[0.0, 3.0], [99.0, 3.0]])).tolist() == [[99, 3], [0, 3]]
    assert np.array_equal(compose(flip_affine(100), flip_affine(100)), identity())


def test_quarter_turn_is_exact_and_clockwise_on_the_screen():
    turned = apply_affine(rotation_about(90, (10, 10)), np.array([[10.0, 0.0]]))
    assert turned.tolist() == [[20.0, 10.0]]  # up goes to the right


@given(angles, st.floats(0.1, 8), st.floats(-500, 500), st.floats(-500, 500))
def test_inverse_undoes(angle, scale, dx, dy):
    affine = compose(translation(dx, dy), rotation_about(angle, (31, 17)), scale_affine(scale))
    points = np.array([[0.0, 0.0], [63.0, 5.0], [12.5, 40.25]])
    assert np.allclose(apply_affine(invert(affine), apply_affine(affine, points)), points, atol=1e-6)
    assert linear_scale(affine) == pytest.approx(scale)


@given(polygons(), st.floats(-10, 70), st.floats(-10, 70), st.floats(1, 60), st.floats(1, 60))
def test_clip_is_shapelys_intersection_without_lines_and_points(shape, x, y, width, height):
    region = (x, y, x + width, y + height)
    ours = clip(shape, region)
    theirs = shape.intersection(box(*region))
    assert ours.is_valid
    assert ours.area == pytest.approx(theirs.area, rel=1e-9, abs=1e-9)
    assert all(isinstance(p, Polygon) and p.area > 0 for p in polygonal_parts(ours))


@given(polygons(), st.integers(1, 62), st.integers(1, 62))
def test_tiles_of_a_frame_conserve_area(shape, x, y):
    x0, y0, x1, y1 = frame(64, 64)
    cx, cy = x - 0.5, y - 0.5
    tiles = [(x0, y0, cx, cy), (cx, y0, x1, cy), (x0, cy, cx, y1), (cx, cy, x1, y1)]
    inside = clip(shape, frame(64, 64))
    assert sum(clip(shape, t).area for t in tiles) == pytest.approx(inside.area, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ZOO)
def test_zoo_survives_a_clip_that_keeps_everything(name):
    assert clip(ZOO[name], frame(64, 64)) is ZOO[name]


@pytest.mark.parametrize("name", ZOO)
def test_zoo_clipped_in_half_is_valid_and_has_the_right_area(name):
    region = (-0.5, -0.5, 31.5, 63.5)
    half = clip(ZOO[name], region)
    assert half.is_valid
    assert half.area == pytest.approx(shapely.intersection(ZOO[name], box(*region)).area, abs=1e-9)


def test_clip_keeps_holes_and_parts():
    cut = clip(ZOO["concave"], (-0.5, 20, 63.5, 63.5))
    assert len(polygonal_parts(cut)) == 2
    assert len(clip(ZOO["hole"], (0, 0, 39, 60)).interiors) == 1


def test_lines_and_points_are_no_parts():
    mixed = GeometryCollection([LineString([(0, 0), (1, 1)]), box(0, 0, 2, 2)])
    assert [p.area for p in polygonal_parts(mixed)] == [4.0]
    assert clip(box(0, 0, 4, 4), (4, 0, 8, 8)).is_empty  # they share an edge only


@given(polygons(), angles)
@settings(max_examples=50)
def test_turning_there_and_back_gives_the_polygon_back(shape, angle):
    there = transform_geometry(shape, rotation_about(angle, (31.5, 31.5)))
    back = transform_geometry(there, rotation_about(-angle, (31.5, 31.5)))
    assert shapely.symmetric_difference(back.buffer(0), shape).area < 1e-6
    assert there.area == pytest.approx(shape.area, rel=1e-9)


def test_region_is_a_box_or_a_ring():
    assert region_polygon((0, 0, 2, 3)).area == 6
    assert region_polygon(((0, 0), (4, 0), (0, 4))).area == 8
