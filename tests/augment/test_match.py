"""Orientations drawn so that training's histogram becomes that of a given set."""

from dataclasses import replace

import numpy as np
import orjson
import pytest

from augment.plan import Pool
from augment.plan.match import BINS, matching_angles, target_angles
from augment.plan.rotate import Rotate
from curate.errors import UsageError
from tests.augment.world import row_of, world_of


def histogram(angles):
    step = 360 / BINS
    return np.bincount((((np.asarray(angles) + step / 2) % 360) // step).astype(int), minlength=BINS)


def test_with_enough_children_the_histogram_is_the_targets():
    rng = np.random.default_rng(0)
    training = np.concatenate([rng.normal(0, 6, 89), rng.uniform(0, 360, 11)]) % 360
    target = np.concatenate([rng.normal(0, 6, 42), rng.uniform(0, 360, 58)]) % 360
    added = matching_angles(training, target, 300, rng)
    assert len(added) == 300
    ours = histogram([*training, *added]) / 400
    assert np.abs(ours - histogram(target) / 100).max() < 0.006  # to within one film of each bin and rounding
    assert np.abs(histogram(training) / 100 - histogram(target) / 100).max() > 0.2


def test_with_few_children_it_comes_as_near_as_adding_can():
    added = matching_angles([0.0] * 90, [0.0] * 50 + [90.0] * 50, 30, np.random.default_rng(0))
    assert histogram(added)[6] == 30  # all of them go where films lack


def test_a_child_points_where_its_parent_did_not():
    world = world_of(0)
    rows = [row_of(r.id, (r.width, r.height), r.fold, meta={"fingers_deg": 350.0}) for r in world.rows]
    test = [row_of(f"t{k}", (128, 128), None, meta={"fingers_deg": 90.0}) for k in range(4)]
    test = [replace(r, split="test") for r in test]
    pool = Pool(rows, world.shapes.__getitem__, samples=[*rows, *test])
    for recipe in Rotate(match="test").plan(pool, 12, 0):
        a = recipe.placements[0].matrix()
        turn = np.degrees(np.arctan2(a[1, 0], a[0, 0]))
        assert abs((350 + turn) % 360 - 90) <= 360 / BINS / 2 + 1e-3


def test_targets_come_from_the_test_set_or_a_file(tmp_path):
    flags = tmp_path / "flags.json"
    flags.write_bytes(orjson.dumps([{"image": "x", "measures": {"fingers_deg": 12.5}}, {"image": "y", "measures": {
        "fingers_deg": None}}]))
    sheet = tmp_path / "angles.csv"
    sheet.write_text("image,fingers_deg\na,10\nb,\nc,200.5\n")
    pool = Pool([], lambda _: ())
    assert target_angles(str(flags), pool) == [12.5]
    assert target_angles(str(sheet), pool) == [10, 200.5]
    for text, fault in (("{", "neither"), ('[{"measures": {}}]', "neither"), ("[]", "no orientations")):
        flags.write_text(text)
        with pytest.raises(UsageError, match=fault):
            target_angles(str(flags), pool)
    with pytest.raises(UsageError, match="cannot be read"):
        target_angles(str(tmp_path / "none.json"), pool)
    with pytest.raises(UsageError, match="has no test films"):
        target_angles("test", pool)
    blind = row_of("t", (9, 9), None)
    with pytest.raises(UsageError, match="flag-outliers"):
        target_angles("test", Pool([], lambda _: (), samples=[replace(blind, split="test")]))
