"""What can be wrong with super-resolution, beside what is wrong with any operator."""

from __future__ import annotations

from curate.errors import CarpusError


class WeightsError(CarpusError):
    """Weights that are missing, damaged, changed, or of no network known here."""


class EdgesMovedError(CarpusError):
    """A setting that moves the edges of bones against their polygons."""

    exit_code = 1
