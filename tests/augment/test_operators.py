"""What each operator promises beyond exactness: its options, its choice of parents, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely.geometry import box

from augment.children import child_row
from augment.plan import Pool
from augment.plan.copy_paste import HALO, CopyPaste
from augment.plan.crop import Crop
from augment.plan.cutmix import CutMix
from augment.plan.elastic import Elastic
from augment.plan.finger_rotate import FingerRotate
from augment.plan.flip import Flip
from augment.plan.mixup import Mixup
from augment.plan.mosaic import Mosaic
from augment.plan.ricap import Ricap
from augment.plan.rotate import Rotate
from curate.errors import UsageError
from curate.presets import FINGERS, HAND_BONES
from curate.sample.annotation import Annotation
from curate.sample.geometry import frame, transform_geometry
from curate.sample.raster import coverage
from curate.sample.warp import Film, steepness
from tests.augment.world import OPERATORS, World, row_of, world_of

SQUARE = (128, 128)


@pytest.mark.parametrize("name", OPERATORS)
def test_parents_share_a_fold_and_the_same_seed_plans_the_same(name):
    world = world_of(1, films=12)
    folds = {r.id: r.fold for r in world.rows}
    first, second, other = (
        [r.to_dict() for r in OPERATORS[name](np.random.default_rng(3)).plan(world.pool(), 8, seed)]
        for seed in (5, 5, 6)
    )
    assert first == second
    assert first != other
    for recipe in first:
        assert len({folds[p["parent"]] for p in recipe["placements"]}) == 1


@pytest.mark.parametrize("planner", [Ricap(same_side=True), Mosaic(same_side=True), CutMix(same_side=True),
                                     Mixup(same_side=True), Ricap(aligned=True)])
def test_same_side_keeps_left_and_right_apart(planner):
    world = world_of(1, films=24)
    world.rows = [replace(r, side=None) if k % 5 == 0 else r for k, r in enumerate(world.rows)]
    sides = {r.id: r.side for r in world.rows}
    for recipe in planner.plan(world.pool(), 20, 0):
        assert len({sides[p] for p in recipe.parents}) == 1
        assert getattr(planner, "aligned", False) or sides[recipe.parents[0]]  # what is no hand can be aligned too


def test_a_crop_holds_its_bones_whole_and_keeps_every_other_inside():
    world = world_of(2)
    world.shapes = {k: tuple(a for a in v if a.geometry.within(box(1, 1, 120, 110))) for k, v in world.shapes.items()}
    planner = Crop(classes=("Pisiform", "Lunate"), margin=0.3, jitter=1.0)
    seen_others = 0
    for recipe in planner.plan(world.pool(), 30, 0):
        done = world.labels(recipe)
        wanted = [a for a in world.shapes[recipe.parents[0]] if a.label in ("Pisiform", "Lunate")]
        found = [a for a in done.annotations if a.label in ("Pisiform", "Lunate")]
        assert [a.geometry.area for a in found] == pytest.approx([a.geometry.area for a in wanted])
        assert recipe.size[0] == recipe.size[1]
        seen_others += len(done.annotations) - len(found)
    assert seen_others > 10


def test_a_crop_over_the_edge_is_padded_and_the_labels_follow():
    world = world_of(0, films=1)
    row = row_of("f0", SQUARE)
    bone = box(1, 2, 21, 12)
    world.shapes["f0"] = (Annotation("Pisiform", bone, "0"),)
    gray = np.full((128, 128), 90, np.uint8)
    world.films["f0"] = Film(gray, 40)
    (recipe,) = Crop(classes=("Pisiform",), margin=0.5, jitter=0).plan(Pool([row], world.shapes.__getitem__), 1, 0)
    done = world.render(recipe)
    (annotation,) = done.annotations
    assert annotation.geometry.area == bone.area
    assert recipe.size == (40, 40)
    x, y = annotation.geometry.bounds[0] - 1, annotation.geometry.bounds[1] - 2  # where the film's corner lies
    assert (x, y) == (8, 12)
    assert (done.image[:12] == 40).all()
    assert (done.image[:, :8] == 40).all()
    assert (done.image[12:, 8:] == 90).all()


def test_a_crop_without_chance_is_one_child():
    world = world_of(0)
    planner = Crop(classes=("Pisiform",), jitter=0)
    assert len({r.canonical() for r in planner.plan(world.pool(), 30, 0)}) == len(world.rows)


def test_a_crop_is_resized_on_the_pixel_grid():
    world = world_of(5)
    for recipe in Crop(classes=("Ulna",), size=256, square=False).plan(world.pool(), 8, 1):
        assert max(recipe.size) == 256
        place = recipe.placements[0]
        corners = np.array([[-0.5, -0.5], [recipe.size[0] - 0.5, recipe.size[1] - 0.5]])
        back = (corners - place.matrix()[:, 2]) / np.diag(place.matrix())
        ratio = (back[1] - back[0]) / recipe.size
        assert ratio[0] == pytest.approx(ratio[1], rel=0.02)


def test_flip_swaps_the_side_and_every_film_can_be_flipped_once():
    world = world_of(0)
    recipes = list(Flip().plan(world.pool(), 100, 0))
    assert len(recipes) == len(world.rows)
    rows = {r.id: r for r in world.rows}
    for recipe in recipes:
        child = child_row(recipe, rows)
        assert {child.side, rows[recipe.parents[0]].side} == {"left", "right"}


def test_ricap_fills_the_picture_with_patches_at_native_scale():
    world = world_of(0)
    for recipe in Ricap(beta=0.3).plan(world.pool(), 40, 0):
        tiles = [box(*p.region) for p in recipe.placements]
        assert 2 <= len(tiles) <= 4
        assert sum(t.area for t in tiles) == shapely.union_all(tiles).area == 128 * 128
        assert all(np.array_equal(p.matrix()[:, :2], np.eye(2)) for p in recipe.placements)


def hands(n: int = 6) -> World:
    """Films of one made-up hand, each turned, scaled and moved in its own way, in two sides."""
    rng = np.random.default_rng(8)
    base = {name: rng.uniform(30, 100, 2) for name in HAND_BONES}
    rows, shapes, films = [], {}, {}
    for k in range(n):
        turn, size, shift = rng.uniform(-0.4, 0.4), rng.uniform(0.8, 1.1), rng.uniform(-9, 9, 2)
        mine = []
        for j, (name, place) in enumerate(base.items()):
            z = complex(*(place - 64)) * np.exp(1j * turn) * size
            x, y = (-z.real if k % 2 else z.real) + 64 + shift[0], z.imag + 64 + shift[1]
            mine.append(Annotation(name, shapely.Point(x, y).buffer(3), str(j)))
        rows.append(row_of(f"h{k}", SQUARE, 0, "right" if k % 2 else "left"))
        shapes[f"h{k}"] = tuple(mine)
        films[f"h{k}"] = Film(np.full((128, 128), 9, np.uint8), 9)
    return World(rows, shapes, films)


def test_aligned_patches_come_from_the_same_place_of_the_hand():
    world = hands(12)
    for recipe in Ricap(aligned=True, beta=1).plan(world.pool(), 10, 0):
        places = {a.label: a.geometry.centroid for a in world.shapes[recipe.placements[0].parent]}
        for place in recipe.placements:
            for a in world.shapes[place.parent]:
                there = transform_geometry(a.geometry, place.matrix()).centroid
                assert there.distance(places[a.label]) < 1e-5


def test_a_pasted_bone_lies_on_its_twin_and_both_labels_stay():
    world = hands(6)
    sides = {r.id: r.side for r in world.rows}
    mirrored = 0
    for recipe in CopyPaste(classes=("Pisiform",), turn=0, shift=0).plan(world.pool(), 12, 0):
        below, above = recipe.placements
        assert above.labels == ("Pisiform",)
        assert above.blend == "attenuate"
        done = world.labels(recipe)
        twins = [a.geometry for a in done.annotations if a.label == "Pisiform"]
        assert len(twins) == 2
        assert twins[0].centroid.distance(twins[1].centroid) < 1e-6
        assert len(done.annotations) == len(HAND_BONES) + 1
        other = sides[below.parent] != sides[above.parent]
        assert (np.linalg.det(above.matrix()[:, :2]) < 0) == other
        mirrored += other
        assert shapely.Polygon(above.region).contains(twins[1].buffer(HALO - 1.0))
    assert mirrored


def test_a_pasted_bone_leaves_its_soft_tissue_behind():
    rows = [row_of("a", SQUARE), row_of("b", SQUARE)]
    bone = shapely.Point(64, 64).buffer(12)
    shapes = {n: (Annotation("Pisiform", bone, "0"),) for n in "ab"}
    gray = np.full((128, 128), 10, np.uint8)
    x = np.arange(128)
    gray[:, 20:108] = np.clip(60 + 0.5 * (x[20:108] - 64), 0, 255)  # tissue of uneven thickness
    inked = gray.copy()
    inked[coverage(bone, SQUARE)] += 80
    films = {"a": Film(gray, 10), "b": Film(inked, 10)}
    (recipe,) = list(CopyPaste(turn=0, shift=0).plan(Pool(rows[:2], shapes.__getitem__), 1, 0))[:1]
    if recipe.parents[0] != "a":
        films = {"a": films["b"], "b": films["a"]}
    done = World(rows, shapes, films).render(recipe)
    base = films[recipe.parents[0]].gray
    outside = ~coverage(bone.buffer(1.5), SQUARE)
    assert np.abs(done.image.astype(int) - base)[outside].max() <= 2  # nothing of the donor's tissue
    inside = coverage(bone.buffer(-2), SQUARE)
    added = done.image.astype(int) - base
    assert added[inside].min() > 50


def test_a_film_alone_in_its_fold_is_passed_over_by_copy_paste():
    rows = [row_of("a", SQUARE), row_of("b", SQUARE), row_of("c", SQUARE, fold=1)]
    shapes = {n: (Annotation("Pisiform", shapely.Point(64, 64).buffer(12), "0"),) for n in "abc"}
    made = list(CopyPaste().plan(Pool(rows, shapes.__getitem__), 9, 0))
    assert len(made) == 9
    assert {p for recipe in made for p in recipe.parents} == {"a", "b"}
    with pytest.raises(UsageError, match="two films of one fold"):
        list(CopyPaste().plan(Pool(rows[1:], shapes.__getitem__), 1, 0))


def test_parts_of_a_pasted_bone_come_without_what_lies_between_them():
    rows = [row_of("a", SQUARE), row_of("b", SQUARE)]
    near, far = shapely.box(20, 20, 40, 40), shapely.box(90, 90, 110, 110)
    shapes = {n: (Annotation("Pisiform", near, "0"), Annotation("Pisiform", far, "1")) for n in "ab"}
    (recipe,) = list(CopyPaste(turn=0, shift=0).plan(Pool(rows, shapes.__getitem__), 1, 0))[:1]
    rings = [shapely.Polygon(p.region) for p in recipe.placements[1:]]
    assert len(rings) == 2
    assert not any(ring.contains(shapely.Point(65, 65)) for ring in rings)
    done = World(rows, shapes, {n: Film(np.full((128, 128), 10, np.uint8), 10) for n in "ab"}).labels(recipe)
    assert sum(a.geometry.area for a in done.annotations) == pytest.approx(2 * (near.area + far.area))


def test_mixup_weights_add_up_and_cutmix_keeps_the_papers_share():
    world = world_of(0, films=12)
    for recipe in Mixup(alpha=0.4).plan(world.pool(), 30, 0):
        assert sum(p.weight for p in recipe.placements) == pytest.approx(1)
    shares = []
    for recipe in CutMix(alpha=1.0).plan(world.pool(), 300, 0):
        shares.append(box(*recipe.placements[1].region).area / (recipe.size[0] * recipe.size[1]))
    # the box's share is uniform before it is cut off at the edge: E = 1/2 before, less after
    assert 0.25 < np.mean(shares) < 0.5
    assert min(shares) > 0


def test_rotate_leaves_turned_films_out_unless_asked():
    world = world_of(0)
    pool = Pool(world.rows, world.shapes.__getitem__, turned=lambda r: r.id != "f3")
    assert {r.parents for r in Rotate().plan(pool, 5, 0)} == {("f3",)}
    assert len({r.parents for r in Rotate(turned=True).plan(pool, 8, 0)}) == 8
    with pytest.raises(UsageError, match="--turned"):
        list(Rotate().plan(Pool(world.rows, world.shapes.__getitem__, turned=lambda r: True), 5, 0))


def test_a_grown_canvas_holds_the_whole_turned_film():
    world = world_of(0)
    for recipe in Rotate(low=-180, high=180, canvas="grow").plan(world.pool(), 16, 0):
        assert world.labels(recipe).dropped.left == {}
        row = next(r for r in world.rows if r.id == recipe.parents[0])
        corners = transform_geometry(box(*frame(row.width, row.height)), recipe.placements[0].matrix())
        assert corners.within(box(*frame(*recipe.size)).buffer(1e-6))
        assert (np.array(recipe.size) - np.ptp(np.array(corners.exterior.coords), axis=0)).max() < 1


def test_a_reflected_border_is_the_films_mirror_image_labels_too():
    world = world_of(0)
    rng = np.random.default_rng(0)
    for film in world.films.values():
        film.gray[:] = rng.integers(100, 200, film.gray.shape)
    for recipe in Rotate(low=30, high=60, border="reflect").plan(world.pool(), 4, 0):
        done = world.render(recipe)
        assert (done.image >= 100).mean() == 1.0  # the background of 30 shows nowhere, not even at the seams
        regions = [shapely.Polygon(p.region) for p in recipe.placements]
        assert shapely.union_all(regions).area == pytest.approx(recipe.size[0] * recipe.size[1], rel=1e-9)
        assert any(np.linalg.det(p.matrix()[:, :2]) < 0 for p in recipe.placements)


def test_elastic_fields_never_fold_however_strong():
    world = world_of(0)
    for recipe in Elastic(strength=0.5, lattice=12).plan(world.pool(), 6, 0):
        assert steepness(recipe.placements[0].field, recipe.size) < 1
        world.render(recipe, 0.5)


def test_a_finger_turns_rigidly_about_its_joint_and_the_forearm_stays():
    finger = FINGERS[0]  # distal, middle, proximal, metacarpal
    places = {finger[0]: 20, finger[1]: 45, finger[2]: 75, finger[3]: 130}
    bones = {name: box(118, y, 130, y + (22 if name != finger[3] else 50)) for name, y in places.items()}
    bones[finger[2]] = shapely.Polygon([(118, 75), (130, 75), (124, 97)])  # one point is nearest to the metacarpal
    bones["Radius"] = box(90, 200, 130, 250)
    row = row_of("a", (256, 256))
    shapes = {"a": tuple(Annotation(k, v, k) for k, v in bones.items())}
    world = World([row], shapes, {"a": Film(np.zeros((256, 256), np.uint8), 0)})
    for recipe in FingerRotate(finger=("index",), degrees=10).plan(world.pool(), 6, 0):
        done = {a.label: a.geometry for a in world.labels(recipe).annotations}
        assert shapely.symmetric_difference(done["Radius"], bones["Radius"]).area < 1e-6
        joint = np.array([124.0, 113.5])
        tip, was = np.array(done[finger[0]].centroid.coords[0]), np.array(bones[finger[0]].centroid.coords[0])
        assert np.linalg.norm(tip - joint) == pytest.approx(np.linalg.norm(was - joint), abs=0.2)
        turned = shapely.affinity.rotate(
            bones[finger[0]],
            np.degrees(np.arctan2(*(tip - joint)[::-1]) - np.arctan2(*(was - joint)[::-1])),
            origin=tuple(joint),
        )
        assert shapely.symmetric_difference(turned, done[finger[0]]).area < 0.03 * turned.area


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: Crop(), "--region or --classes"),
        (lambda: Crop(region=("toe",)), "'toe' is none of carpal"),
        (lambda: Crop(region=("carpal",), jitter=2), r"not a share in \[0, 1\]"),
        (lambda: Mosaic(rows=0), "--rows: 0 is not above 0"),
        (lambda: Mosaic(fit="stretched"), "none of whole"),
        (lambda: Ricap(beta=0), "--beta"),
        (lambda: Ricap(aligned=True, size=512), "no meaning with --aligned"),
        (lambda: Rotate(low=10, high=5), "no range"),
        (lambda: Rotate(border="replicate"), "none of constant, reflect"),
        (lambda: CutMix(alpha=float("nan")), "--alpha"),
        (lambda: Elastic(lattice=1), "--lattice"),
        (lambda: FingerRotate(finger=("toe",)), "none of thumb"),
        (lambda: FingerRotate(degrees=40), "would fold"),
        (lambda: CopyPaste(turn=500), "--turn"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(make, fault):
    with pytest.raises(UsageError, match=fault):
        make()


@pytest.mark.parametrize(
    ("planner", "fault"),
    [
        (Crop(region=("forearm",)), "no film shows any of Radius, Ulna"),
        (CopyPaste(classes=("Hamate",)), "no film shows any of Hamate"),
        (FingerRotate(finger=("ring",)), "metacarpal and phalanges"),
        (Mosaic(same_side=True), "side is known"),
        (Mixup(same_side=True), "side is known"),
        (Rotate(match="test"), "no film selected shows where its fingers point"),
        (Mosaic(size=2), "no room"),
    ],
)
def test_a_pool_that_has_not_what_is_needed_is_refused(planner, fault):
    world = world_of(0)
    shapes = {k: tuple(a for a in v if a.label == "Pisiform") for k, v in world.shapes.items()}
    rows = [row_of(r.id, (r.width, r.height), 0, None) for r in world.rows]
    with pytest.raises(UsageError, match=fault):
        list(planner.plan(Pool(rows, shapes.__getitem__, samples=rows), 3, 0))


@pytest.mark.parametrize("planner", [CutMix(), Mixup()])
def test_a_film_alone_in_its_fold_has_no_partner(planner):
    world = world_of(0, films=1)
    with pytest.raises(UsageError, match="two films of one fold"):
        list(planner.plan(world.pool(), 1, 0))
