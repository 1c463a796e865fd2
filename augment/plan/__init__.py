"""Planners, one file each; a new operator is one file and one line here."""

from augment.plan.base import Planner, Pool
from augment.plan.mosaic import Mosaic
from augment.plan.rotate import Rotate

PLANNERS: dict[str, type[Planner]] = {p.operator: p for p in (Mosaic, Rotate)}

__all__ = ["PLANNERS", "Planner", "Pool"]
