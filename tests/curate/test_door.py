"""What may enter: repairs that are certain and told, refusals that name the file, the label and the fault."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import LabelError
from curate.sample.door import admit, plain_polygons

SIZE = (64, 64)
SQUARE = [[4, 4], [20, 4], [20, 20], [4, 20]]


def enter(points, holes=()):
    return admit(points, holes, SIZE, "f.json", "Radius")


def test_a_good_polygon_enters_vertex_for_vertex():
    admitted = enter(SQUARE)
    assert admitted.repairs == ()
    assert [list(p) for p in admitted.geometry.exterior.coords[:-1]] == SQUARE


def test_repeated_points_are_left_out_and_told():
    admitted = enter([SQUARE[0], SQUARE[0], *SQUARE[1:], SQUARE[3]])
    assert admitted.geometry.area == 256
    assert admitted.repairs == ("2 repeated points left out",)


def test_a_closing_point_is_no_repair():
    assert enter([*SQUARE, SQUARE[0]]).repairs == ()


def test_a_spur_is_mended_with_certainty():
    admitted = enter([[4, 4], [20, 4], [20, 12], [30, 12], [20, 12], [20, 20], [4, 20]])
    assert admitted.geometry.area == 256
    assert admitted.geometry.is_valid
    assert "mended" in admitted.repairs[0]


def test_lobes_that_touch_in_a_point_stay_two_parts():
    admitted = enter([[4, 4], [10, 10], [16, 4], [22, 10], [16, 16], [10, 10], [4, 16]])
    assert admitted.geometry.is_valid
    assert admitted.geometry.area == pytest.approx(36 + 72)


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([[4, 4], [20, 20], [20, 4], [4, 20]], "no repair of it is certain"),  # a figure of eight
        ([[4, 4], [20, 4]], "fewer than 3"),
        ([[4, 4], [20, 4], [4, 4], [20, 4]], "fewer than 3"),
        ([[4, 4], [12, 12], [20, 20]], "no repair"),
        ([], "without points"),
        ([[4, 4], [float("nan"), 4], [20, 20]], "point 1 is not a finite number"),
        ([[4, 4], [float("inf"), 4], [20, 20]], "not a finite"),
        ([[4, 4, 4], [5, 5, 5], [6, 7, 8]], "expected \\(n, 2\\)"),
        ([[4, 4], [5], [6, 7]], "not pairs of numbers"),
        ([[4, 4], ["x", 2], [6, 7]], "not pairs of numbers"),
        ([[100, 100], [120, 100], [120, 120]], "outside the picture"),
        ([[4, 4], [1e12, 4], [20, 20]], "cannot be a pixel"),
    ],
)
def test_what_cannot_be_mended_is_refused_by_file_and_label(points, fault):
    with pytest.raises(LabelError, match=fault) as caught:
        enter(points)
    assert caught.value.path == "f.json"
    assert "Radius" in caught.value.detail


def test_what_lies_over_the_edge_is_cut_exactly_and_told():
    admitted = enter([[50, 10], [70, 10], [70, 20], [50, 20]])
    assert admitted.geometry.area == pytest.approx(13.5 * 10)
    assert admitted.geometry.bounds == (50, 10, 63.5, 20)
    assert "outside the picture cut off" in admitted.repairs[0]


def test_holes_stay():
    assert enter(SQUARE, [[[8, 8], [12, 8], [12, 12], [8, 12]]]).geometry.area == 240


@given(st.lists(st.tuples(st.integers(-10, 80), st.integers(-10, 80)), min_size=0, max_size=12))
def test_anything_enters_valid_or_is_refused(points):
    try:
        admitted = enter([list(p) for p in points])
    except LabelError:
        return
    shape = admitted.geometry
    assert shape.is_valid
    assert shape.area > 0
    x0, y0, x1, y1 = shape.bounds
    assert min(x0, y0) >= -0.5
    assert max(x1, y1) <= 63.5
    assert np.isfinite(shape.area)


@given(st.lists(st.tuples(st.integers(-2, 11), st.integers(-2, 11)), min_size=1, max_size=8), st.booleans())
@settings(max_examples=300)
def test_many_rings_at_once_are_what_each_would_be(points, closed):
    ring = np.array(points + points[:1] * closed, dtype=float)
    square = np.array([(1.0, 1.0), (8.0, 1.0), (8.0, 8.0), (1.0, 8.0)])
    first, found, last = plain_polygons([square, ring, square], (10, 10))
    assert first.equals(last)
    one = None
    with contextlib.suppress(LabelError):
        one = admit(ring, [], (10, 10), "a.json", "Ulna")
    as_it_stands = one is not None and one.repairs == ()
    assert (found is not None) == as_it_stands
    if as_it_stands:
        assert found.equals_exact(one.geometry, 0.0)
