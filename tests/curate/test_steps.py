"""Dropping and splitting anew."""

import pytest

from augment.make import make_version
from augment.plan.mosaic import Mosaic
from augment.plan.rotate import Rotate
from curate.errors import UsageError
from curate.manifest import EVALUATION_ONLY, Manifest
from curate.manifest.lineage import check_leaks
from curate.steps import drop, resplit
from tests.flagging import put_flags
from train.arms import make_arm


def test_a_dropped_film_leaves_training_and_stays_for_evaluation(version):
    victim = version.samples[0]
    after = drop(version.manifest, samples=[victim.id]).version
    assert after.parent == "v1"
    assert EVALUATION_ONLY in after.row(victim.id).tags
    for fold in range(version.folds):
        arm = make_arm(after, after, fold)
        assert [r.id for r in arm.evaluation] == [r.id for r in make_arm(version, version, fold).evaluation]
        assert victim.id not in {r.id for r in arm.training}
    assert EVALUATION_ONLY not in version.manifest.version("v1").row(victim.id).tags  # v1 is as it was


def test_children_go_with_their_parents(version):
    child = make_version(version.manifest, Rotate(), 12).version
    victim = child.samples[0]
    after = drop(child.manifest, samples=[victim.id]).version
    assert len(after) == len(child) - 1
    assert not any(victim.id in r.parents for r in after.samples)
    check_leaks(after)


def test_also_evaluation_takes_it_out_but_its_past_stays_readable(version):
    victim = version.samples[0]
    after = drop(version.manifest, samples=[victim.id], also_evaluation=True).version
    assert victim.id not in after.by_id
    assert victim.id in after.known


def test_drop_by_flag_and_twice(version):
    flags = {version.samples[1].id: ("rotation",), version.samples[2].id: ("exposure",)}
    first = drop(version.manifest, flags=flags, flag_names=["rotation"])
    assert first.samples == (version.samples[1].id,)
    again = drop(version.manifest, flags=flags, flag_names=["rotation"])
    assert again.existed
    assert again.version.name == first.version.name == "v2"
    assert len(Manifest.open(version.manifest.path).versions()) == 2


def test_dropping_asks_the_stored_flags_and_knows_everyday_words(version):
    put_flags(version, {"jewellery": [version.samples[3].id]})
    assert drop(version.manifest, flag_names=["ring"]).samples == (version.samples[3].id,)
    with pytest.raises(UsageError, match="is no flag or tag here"):
        drop(version.manifest, flag_names=["rnig"])


def test_nothing_to_drop(version):
    with pytest.raises(UsageError, match="no sample to drop for jewellery"):
        drop(version.manifest, flag_names=["ring"])
    with pytest.raises(UsageError, match="no sample of v1"):
        drop(version.manifest, samples=["ID999/x"])


def test_parents_are_never_dropped_films(version):
    victim = version.samples[0]
    drop(version.manifest, samples=[victim.id])
    child = make_version(version.manifest, Mosaic(), 20).version
    assert not any(victim.id in r.parents for r in child.samples)


def test_a_new_split_is_a_new_version(version):
    done = resplit(version.manifest, 3, 0.2, 1)
    assert done.version.split == "s2"
    assert sum(r.split == "test" for r in done.version.samples) == 2
    assert resplit(version.manifest, 3, 0.2, 1).existed
    assert version.manifest.version("v1").folds == 2


def test_no_new_split_over_children(version):
    make_version(version.manifest, Mosaic(), 4)
    with pytest.raises(UsageError, match="4 derived samples"):
        resplit(version.manifest, 3)


def test_parents_never_come_from_test(version):
    done = resplit(version.manifest, 2, 0.4, 0)
    test = {r.id for r in done.version.samples if r.split == "test"}
    child = make_version(version.manifest, Mosaic(), 30).version
    assert len(test) == 4
    assert not any(test & {*r.parents} for r in child.samples)
