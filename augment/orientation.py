"""Where the fingers of a sample point, and whether that counts as turned, from what is known of it."""

from __future__ import annotations

from collections.abc import Callable

from curate.anatomy import fingers_deg
from curate.flags.store import load_flags
from curate.manifest import SampleRow, Version
from curate.manifest.strata import is_turned
from curate.sample.read import SampleReader


def orientation_of(version: Version, reader: SampleReader) -> Callable[[SampleRow], float | None]:
    """A function from a sample to degrees clockwise from up: from its row, its stored flags or its labels."""
    stored = load_flags(version.root)
    known: dict[str, float | None] = {}

    def angle(row: SampleRow) -> float | None:
        if row.id not in known:
            found = row.meta.get("fingers_deg")
            if found is None and row.id in stored and stored[row.id].digest.split()[0] == row.digest:
                found = stored[row.id].measures.get("fingers_deg")
            if found is None and row.labelled:
                found = fingers_deg(reader.annotations(row.id))
            known[row.id] = found
        return known[row.id]

    return angle


def turned_in(version: Version) -> Callable[[SampleRow], bool]:
    """A function that says whether a sample is flagged ``rotation``; by its labels where no detector has looked."""
    stored = load_flags(version.root)

    def turned(row: SampleRow) -> bool:
        seen = stored.get(row.id)
        if seen is not None and seen.digest.split()[0] == row.digest:
            flag = seen.flag("rotation")
            if flag is not None:
                return flag.flagged
        return "rotation" in row.tags or is_turned(row)

    return turned
