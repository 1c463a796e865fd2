"""Where the fingers of a sample point, and whether that counts as turned, from what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from curate.anatomy import fingers_deg
from curate.manifest import SampleRow, Version
from curate.manifest.strata import is_turned
from curate.sample.read import SampleReader


def _stored(version: Version) -> Callable[[SampleRow], Any]:
    """A function from a sample to what the detectors said of its very bytes, or ``None``; read when first asked."""

    @cache
    def flags() -> dict[str, Any]:
        from curate.flags.store import load_flags  # brings in every detector

        return load_flags(version.root)

    def look(row: SampleRow) -> Any:
        seen = flags().get(row.id)
        return seen if seen is not None and seen.digest.split()[0] == row.digest else None

    return look


def orientation_of(version: Version, reader: SampleReader) -> Callable[[SampleRow], float | None]:
    """A function from a sample to degrees clockwise from up: from its row, its stored flags or its labels."""
    stored = _stored(version)
    known: dict[str, float | None] = {}

    def angle(row: SampleRow) -> float | None:
        if row.id not in known:
            found = row.meta.get("fingers_deg")
            if found is None and stored(row) is not None:
                found = stored(row).measures.get("fingers_deg")
            if found is None and row.labelled:
                found = fingers_deg(reader.annotations(row.id))
            known[row.id] = found
        return known[row.id]

    return angle


def turned_in(version: Version) -> Callable[[SampleRow], bool]:
    """A function that says whether a sample is flagged ``rotation``; by its labels where no detector has looked."""
    stored = _stored(version)

    def turned(row: SampleRow) -> bool:
        seen = stored(row)
        flag = None if seen is None else seen.flag("rotation")
        if flag is not None:
            return flag.flagged
        return "rotation" in row.tags or is_turned(row)

    return turned
