"""Every operator's polygons against shapely: areas, parts, holes, sources; nothing lost but what is counted."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator
from shapely.affinity import affine_transform
from shapely.geometry import Polygon, box

from augment.plan.base import Pool
from augment.plan.flip import Flip
from augment.plan.mosaic import Mosaic
from augment.plan.rotate import Rotate
from curate.sample.annotation import Annotation
from curate.sample.geometry import frame, polygonal_parts
from curate.sample.labels import FIELD_STEP, SLIVER_AREA
from curate.sample.recipe import Placement, Recipe
from tests.augment.world import OPERATORS, row_of, world_of
from tests.shapes import ZOO

POLYGONS = 10_000
"""Random polygons an operator in the long mode; a child of these worlds holds at least 7 and usually 14 or more."""


def moved(shapes: list[shapely.Geometry], place: Placement, size: tuple[int, int]) -> list[shapely.Geometry]:
    """A parent's shapes in the output, by shapely's affine and scipy's interpolation of the field."""
    (a, b, x), (c, d, y) = place.affine
    there = [affine_transform(shape, [a, b, c, d, x, y]) for shape in shapes]
    if place.field is None:
        return there
    f = place.field
    axes = (np.linspace(-0.5, size[1] - 0.5, f.rows), np.linspace(-0.5, size[0] - 0.5, f.cols))
    field = RegularGridInterpolator(axes, np.stack([np.reshape(v, (f.rows, f.cols)) for v in (f.dx, f.dy)], axis=-1))

    def displaced(points: np.ndarray) -> np.ndarray:
        found, step = points, np.inf
        while step > 1e-10:
            inside = np.clip(found[:, ::-1], -0.5, (size[1] - 0.5, size[0] - 0.5))
            last, found = found, points - field(inside)
            step = np.abs(found - last).max()
        return found

    bent = shapely.transform(shapely.segmentize(np.array(there), FIELD_STEP), displaced)
    # straight pieces between bent vertices can cross where a needle was thinner than their sag
    return [b if b.is_valid else shapely.make_valid(b) for b in bent]


def shown(recipe: Recipe, k: int) -> shapely.Geometry:
    """What can be seen of the k-th placement: its region in the picture, less what later placements replace."""
    regions = [Polygon(p.region) if isinstance(p.region[0], tuple) else box(*p.region) for p in recipe.placements]
    seen = regions[k].intersection(box(*frame(*recipe.size)))
    for later, region in zip(recipe.placements[k + 1 :], regions[k + 1 :], strict=True):
        if later.blend == "replace":
            seen = seen.difference(region)
    return seen


def check(recipe: Recipe, world) -> int:
    """Compare a child's labels with the reference; returns how many parent polygons were looked at."""
    done = world.labels(recipe)
    for a in done.annotations:
        assert isinstance(a.geometry, Polygon)
        assert a.geometry.is_valid
        assert a.geometry.area > 0
    taken, looked, lost = 0, 0, 0.0
    near = 1e-9 if all(p.field is None for p in recipe.placements) else 1e-6
    for k, place in enumerate(recipe.placements):
        window = shown(recipe, k)
        parents = [p for p in world.shapes[place.parent] if place.labels is None or p.label in place.labels]
        wholes = moved([p.geometry for p in parents], place, recipe.size)
        looked += len(parents)
        for parent, whole in zip(parents, wholes, strict=True):
            expected = polygonal_parts(whole.intersection(window))
            uncut = abs(sum(p.area for p in expected) - whole.area) <= 1e-9 * whole.area
            kept = [p for p in expected if uncut or p.area >= SLIVER_AREA]
            lost += sum(p.area for p in expected) - sum(p.area for p in kept)
            ours = done.annotations[taken : taken + len(kept)]
            taken += len(kept)
            assert {(a.label, a.source) for a in ours} <= {(parent.label, f"{place.parent}#{parent.id}")}
            weight = place.weight if place.blend == "mean" else 1.0
            assert all(a.weight == pytest.approx(weight) for a in ours)
            for one, a in zip(sorted(kept, key=key), sorted((a.geometry for a in ours), key=key), strict=True):
                assert a.area == pytest.approx(one.area, rel=near)
                assert len(a.interiors) == len(one.interiors)
                assert shapely.symmetric_difference(a, one).area <= 1e-6 * max(one.area, 1.0)
    assert taken == len(done.annotations)
    assert done.dropped.sliver_area == pytest.approx(lost, rel=1e-6, abs=1e-6)
    return looked


def key(polygon: Polygon) -> tuple:
    return (round(polygon.area, 3), tuple(np.round(polygon.centroid.coords[0], 2)))


def children(name: str, seed: int, n: int, world):
    planner = OPERATORS[name](np.random.default_rng(seed))
    return list(planner.plan(world.pool(), n, seed))


@pytest.mark.parametrize("name", OPERATORS)
@given(seed=st.integers(0, 2**31 - 1))
@settings(deadline=None, max_examples=4)
def test_children_hold_exactly_what_is_seen_of_their_parents(name, seed):
    world = world_of(seed)
    for recipe in children(name, seed, 2, world):
        assert check(recipe, world)


@pytest.mark.long
@pytest.mark.parametrize("name", OPERATORS)
def test_ten_thousand_polygons(name):
    looked = seed = 0
    while looked < POLYGONS:
        world = world_of(seed, each=30)
        looked += sum(check(recipe, world) for recipe in children(name, seed, 8, world))
        seed += 1


@pytest.mark.parametrize("name", OPERATORS)
def test_the_zoo_through_every_operator(name):
    shapes = [*ZOO.values(), box(-500, -500, 500, 500)]  # huge: a frame full of bone
    world = world_of(3, given=shapes)
    for recipe in children(name, 5, 6, world):
        assert check(recipe, world)


def test_area_is_conserved_over_a_mosaics_tiles():
    world = world_of(11, films=4)
    whole = Annotation("Ulna", box(*frame(128, 128)), "0")
    for name in world.shapes:
        world.shapes[name] = (whole,)
    rows = [row_of(name, (128, 128)) for name in world.shapes]
    for recipe in Mosaic(fit="cropped").plan(Pool(rows, world.shapes.__getitem__), 20, 1):
        done = world.labels(recipe)
        assert sum(a.geometry.area for a in done.annotations) == pytest.approx(128 * 128, rel=1e-12)


@given(seed=st.integers(0, 2**31 - 1), angle=st.floats(-180, 180))
@settings(deadline=None, max_examples=20)
def test_turning_there_and_back_gives_the_interior_back(seed, angle):
    if not 0.01 < abs(angle) < 179.9:
        angle = 37.0
    world = world_of(seed, films=3)
    row = world.rows[1]
    low, high = angle - 1e-3, angle
    (there,) = Rotate(low=low, high=high).plan(Pool([row], world.shapes.__getitem__), 1, seed)
    matrix = np.vstack([there.placements[0].matrix(), [0, 0, 1]])
    back = Placement.of("child", np.linalg.inv(matrix)[:2], frame(*there.size))
    child = world.labels(there)
    world.shapes["child"], world.films["child"] = child.annotations, world.films[row.id]
    again = world.labels(Recipe("test", 1, 0, there.size, (back,)))
    middle = shapely.Point((row.width - 1) / 2, (row.height - 1) / 2).buffer(row.height / 2 - 1)
    for parent in world.shapes[row.id]:
        mine = [a.geometry for a in again.annotations if a.source == f"{row.id}#{parent.id}"]
        expected = parent.geometry.intersection(middle)
        found = shapely.union_all(mine).intersection(middle)
        assert shapely.symmetric_difference(expected, found).area < SLIVER_AREA  # a sliver may have been dropped
        if not child.dropped.slivers:
            assert shapely.symmetric_difference(expected, found).area < 1e-6


@given(seed=st.integers(0, 2**31 - 1))
@settings(deadline=None, max_examples=20)
def test_flipping_twice_is_identity(seed):
    world = world_of(seed, films=1)
    (once,) = Flip().plan(world.pool(), 1, seed)
    child = world.labels(once)
    world.shapes["child"], world.films["child"] = child.annotations, world.films["f0"]
    twice = world.labels(Recipe("flip", 1, 0, once.size, (Placement.of("child", once.placements[0].matrix(),
                                                                         frame(*once.size)),)))
    for parent, ours in zip(world.shapes["f0"], twice.annotations, strict=True):
        assert ours.geometry.equals_exact(parent.geometry, 1e-12)
        assert ours.source == f"f0#{parent.id}"


def test_a_box_from_another_film_leaves_a_hole_in_a_bone():
    world = world_of(1, films=2)
    size = (128, 128)
    rows = [row_of(name, size) for name in ("f0", "f1")]
    for name in ("f0", "f1"):
        world.shapes[name] = (Annotation("Ulna", box(5, 5, 120, 120), "0"),)
    recipe = Recipe("cutmix", 1, 0, size, (
        Placement.of("f0", np.eye(3)[:2], frame(*size)), Placement.of("f1", np.eye(3)[:2], (40.5, 40.5, 80.5, 80.5)),
    ))
    below, above = world.labels(recipe).annotations
    assert (below.geometry.area, above.geometry.area) == (115**2 - 40**2, 40**2)
    assert len(below.geometry.interiors) == 1
    assert [r.id for r in rows] == ["f0", "f1"]
