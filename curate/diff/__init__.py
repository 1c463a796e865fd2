"""What changed from one version to another: samples, polygons, folds and steps."""

from curate.diff.compare import Difference, diff_versions

__all__ = ["Difference", "diff_versions"]
