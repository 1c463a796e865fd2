"""A new split over children: they are left out, and planned anew with the same options."""

from dataclasses import replace

import pytest

from augment.children import Job
from augment.make import make, make_version
from augment.plan import PLANNERS
from augment.plan.mosaic import Mosaic
from augment.plan.rotate import Rotate
from augment.replan import job_of, replan
from augment.select import Selection
from curate.errors import UsageError
from curate.manifest.lineage import check_leaks
from curate.steps import resplit
from curate.summary import about


def test_children_are_planned_anew_inside_the_new_folds(version):
    make_version(version.manifest, Mosaic(jitter=0.2), 6, seed=4)
    old = make(version.manifest, [Job(Rotate(low=-9, high=9), 3), Job(Mosaic(), 2)], seed=5, virtual=True).version
    with pytest.raises(UsageError, match="--replan"):
        resplit(version.manifest, 3, seed=8)
    split = resplit(version.manifest, 3, seed=8, replan=True).version
    assert len(split) == 12
    outcomes = replan(version.manifest, old.name, split.name)
    assert [o.made for o in outcomes] == [6, 5]
    new = outcomes[-1].version
    assert dict(new.step) == dict(old.step)
    assert new.split == split.split
    assert about(new.step) == "run seed=5 virtual=True: rotate n=3 low=-9 high=9; mosaic n=2"
    check_leaks(new)
    assert all(o.existed for o in replan(version.manifest, old.name, split.name))
    with pytest.raises(UsageError, match="no augmentation"):
        replan(version.manifest, "v1")


REQUIRED = {"crop": {"region": ("carpal",)}, "filter": {"apply": ("CLAHE",)}}


@pytest.mark.parametrize("name", PLANNERS)
def test_a_step_gives_its_job_back(name):
    selection = Selection(without_flags=("rotation",), where=("age>=40",))
    required = REQUIRED.get(name, {})
    job = Job(PLANNERS[name](**required), 5, selection, 3)
    assert job_of(job.to_dict()).to_dict() == job.to_dict()
    assert replace(job_of(job.to_dict()), planner=job.planner) == job
