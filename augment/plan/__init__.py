"""Planners, one file each; a new operator is one file and one line here."""

from augment.plan.base import Planner, Pool
from augment.plan.copy_paste import CopyPaste
from augment.plan.crop import Crop
from augment.plan.cutmix import CutMix
from augment.plan.elastic import Elastic
from augment.plan.filter import Filter
from augment.plan.finger_rotate import FingerRotate
from augment.plan.flip import Flip
from augment.plan.mixup import Mixup
from augment.plan.mosaic import Mosaic
from augment.plan.ricap import Ricap
from augment.plan.rotate import Rotate
from augment.plan.superres import Superres

PLANNERS: dict[str, type[Planner]] = {
    p.operator: p
    for p in (Crop, Flip, Mosaic, Ricap, Rotate, CutMix, Mixup, CopyPaste, Filter, Elastic, FingerRotate, Superres)
}

__all__ = ["PLANNERS", "Planner", "Pool"]
