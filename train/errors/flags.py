"""From films out of line to flags in curate's store, each with its place and one sentence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from curate.errors import CarpusError
from curate.flags.result import Finding
from curate.sample.read import SampleReader
from train.errors.draw import box_of
from train.errors.findings import Findings
from train.errors.outliers import Outlier, excess_of

_MOST_NAMED = 3


def flag_findings(found: Findings) -> dict[str, Finding]:
    """What the runs say of every film that they were scored on: sample id -> finding, flagged from a score of 0.5."""
    excess = excess_of(found.dice, found.rate)
    outliers = {outlier.film: outlier for outlier in found.outliers}
    reader = SampleReader(found.version)
    findings = {}
    for film, row in enumerate(found.films):
        outlier = outliers.get(film)
        if outlier is not None:
            place = where(found, reader, film, outlier.bones[0])
            findings[row.id] = Finding(score_of(outlier.excess[0]), sentence(found, outlier), place)
            continue
        known = excess[film][np.isfinite(excess[film])]
        why = f"no bone is out of line with the other {len(found.films) - 1} films that these runs were scored on"
        findings[row.id] = Finding(min(score_of(float(known.max(initial=0))), 0.49), why)
    return findings


def score_of(excess: float) -> float:
    """From how far out of line a film is (1: as far as chance reaches at the stated rate) to a flag's score."""
    return 1 - 2 ** -max(excess, 0.0)


def sentence(found: Findings, outlier: Outlier) -> str:
    """Why, in one sentence."""
    bone, dice, median, n = (value[0] for value in (outlier.bones, outlier.dice, outlier.medians, outlier.n))
    others = [found.classes[k] for k in outlier.bones[1 : 1 + _MOST_NAMED]]
    more = len(outlier.bones) - 1 - len(others)
    rest = f"; so do {', '.join(others)}{f' and {more} more' if more else ''}" if others else ""
    return (
        f"{found.classes[bone]}: model and label agree at a Dice of {dice:.2f}, {median:.2f} being usual over {n} films"
        f"{rest} (by chance one film in {round(1 / found.rate)} is flagged)"
    )


def where(found: Findings, reader: SampleReader, film: int, bone: int) -> tuple[float, float, float, float] | None:
    """The box of a bone in the film's label, or where it has none, in what was predicted: (x0, y0, x1, y1)."""
    row, label = found.films[film], found.classes[bone]
    boxes = [a.geometry.bounds for a in reader.annotations(row.id) if a.label == label and not a.geometry.is_empty]
    if boxes:
        low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
        return float(low[0]), float(low[1]), float(high[2]), float(high[3])
    kept = _kept_plane(found.runs[found.run_of[film]] / "predictions" / f"{row.id}.npz")
    if kept is None:
        return None
    plane, scale = kept
    box = box_of(plane & plane.dtype.type(1 << bone))
    return None if box is None else tuple((v + 0.5) / scale - 0.5 for v in box)


def _kept_plane(path: Path) -> tuple[np.ndarray, float] | None:
    """The plane that a run kept of a film, and its pixels per film pixel; ``None`` where there is none.

    Raises:
        CarpusError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            plane, scale = kept["plane"], float(kept["scale"])
    except (OSError, ValueError, KeyError) as error:
        raise CarpusError(path, f"is no prediction: {error}") from error
    if plane.ndim != 2 or plane.dtype.kind != "u" or not (math.isfinite(scale) and scale > 0):
        raise CarpusError(path, "is no prediction: not a plane of unsigned integers with a scale")
    return plane, scale
