"""Versions of a data set: head, tables, commit, lineage."""

from curate.manifest.row import EVALUATION_ONLY, SampleRow
from curate.manifest.store import Manifest, Version

__all__ = ["EVALUATION_ONLY", "Manifest", "SampleRow", "Version"]
