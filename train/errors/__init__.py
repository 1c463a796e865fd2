"""``train errors``: where runs go wrong, film by film and bone by bone, as a page and as flags."""

from __future__ import annotations

from train.errors.findings import Findings, inspect_runs
from train.errors.outliers import Outlier, find_outliers

__all__ = ["Findings", "Outlier", "find_outliers", "inspect_runs"]
