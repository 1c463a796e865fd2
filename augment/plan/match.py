"""Angles that make one set's histogram of orientations that of another."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson

from augment.plan.base import Pool
from curate.errors import UsageError

BINS = 24
"""Bins of the histogram of orientations: 15 degrees each, the first about up."""


def matching_angles(known: Sequence[float], target: Sequence[float], n: int, rng: np.random.Generator) -> list[float]:
    """Orientations of n films to add so that ``known`` and they together come nearest to the histogram of ``target``.

    Films can only be added, so a bin that ``known`` overfills gets none, and the others share the n in proportion to
    what they lack (largest remainders).

    Args:
        known, target: degrees.

    Returns:
        n degrees in [0, 360), evenly spread within their bins, in random order.
    """
    share = _histogram(target) / len(target)
    lack = np.maximum(share * (len(known) + n) - _histogram(known), 0.0)
    wanted = lack * (n / lack.sum())
    counts = np.floor(wanted).astype(int)
    rest = np.argsort(counts - wanted, kind="stable")[: n - counts.sum()]
    counts[rest] += 1
    bins = np.repeat(np.arange(BINS), counts)
    angles = (bins + rng.uniform(-0.5, 0.5, n)) * (360.0 / BINS)
    return [round(float(a) % 360.0, 4) for a in rng.permutation(angles)]


def _histogram(angles: Sequence[float]) -> np.ndarray:
    step = 360.0 / BINS
    index = np.floor((np.asarray(angles, dtype=float) + step / 2) % 360.0 / step).astype(int)
    return np.bincount(np.minimum(index, BINS - 1), minlength=BINS).astype(float)


def target_angles(match: str, pool: Pool) -> list[float]:
    """Orientations of the set to match: this version's test films, or those in a file.

    Raises:
        UsageError: no film of it shows an orientation, or the file is neither JSON of flags nor such a CSV.
    """
    if match == "test":
        films = [r for r in pool.samples if r.split == "test" and r.is_original]
        if not films:
            raise UsageError("--match", "this version has no test films; name a file with the orientations of others")
        found = [a for a in map(pool.angle, films) if a is not None]
        if not found:
            raise UsageError("--match", "no test film shows where its fingers point; run `curate flag-outliers` first")
        return found
    path = Path(match)
    try:
        if path.suffix.lower() == ".csv":
            with open(path, newline="", encoding="utf-8-sig") as stream:
                cells = [row["fingers_deg"] for row in csv.DictReader(stream)]
        else:
            cells = [entry["measures"]["fingers_deg"] for entry in orjson.loads(path.read_bytes())]
        found = [float(c) for c in cells if c not in (None, "")]
    except OSError as error:
        raise UsageError(path, f"cannot be read: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            path, "is neither what `curate flag-outliers --json` prints nor a CSV with a column fingers_deg"
        ) from None
    if not found or not np.isfinite(found).all():
        raise UsageError(path, "holds no orientations")
    return found
