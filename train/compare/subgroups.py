"""Exploratory looks at some of the films: flagged, rotated, left and right hands, sexes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from curate.errors import CarpusError
from curate.manifest.row import SampleRow
from curate.manifest.store import Version

_LEAST = 2  # patients, below which a subgroup is an anecdote


def subgroup_masks(version: Version, images: tuple[str, ...], groups: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Which evaluation films are in which subgroup.

    Args:
        images: ids of the films; groups: their patients.

    Returns:
        name -> bool (n_images,); only those that hold two patients or more, and not every film.
    """
    from curate.flagged import flags_by_sample  # brings the detectors with it; only needed where there is a manifest

    rows = [version.by_id.get(image) for image in images]
    try:
        flags = flags_by_sample(version)
    except CarpusError:
        flags = {}  # flags that cannot be read are curate's affair; the comparison does without

    def where(test: Callable[[SampleRow], bool]) -> np.ndarray:
        return np.array([row is not None and test(row) for row in rows])

    masks = {
        "flagged films": where(lambda r: bool(flags.get(r.id))),
        "films without a flag": where(lambda r: not flags.get(r.id)) & bool(flags),
        "rotated films": where(lambda r: "rotation" in flags.get(r.id, ())),
        "left hands": where(lambda r: r.side == "left"),
        "right hands": where(lambda r: r.side == "right"),
    }
    for sex in sorted({str(row.meta["sex"]) for row in rows if row is not None and row.meta.get("sex")}):
        masks[f"sex {sex}"] = where(lambda r, sex=sex: str(r.meta.get("sex")) == sex)
    patients = np.array(groups)
    return {
        name: mask
        for name, mask in masks.items()
        if not mask.all() and len(np.unique(patients[mask])) >= _LEAST
    }
