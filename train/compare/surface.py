"""Boundary measures of a bone in both arms: NSD with its interval, HD95; in pixels, and in millimetres where known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from train.compare.tables import Patients, bounded, estimate

Scores = Mapping[str, tuple[np.ndarray, np.ndarray]]


def surface_lines(
    patients: Patients,
    scores: Scores,
    present: np.ndarray,
    pixel_mm: np.ndarray,
    k: int,
    fold: np.ndarray | None,
    confidence: float,
) -> dict[str, Any]:
    """The boundary measures of class ``k``, by the names of a line's fields; without those that no run measured.

    Args:
        scores: metric -> arm A and arm B, float64 (seeds, n_images, classes).
        present: bool (n_images, classes). pixel_mm: float64 (n_images,), NaN where not known.
        fold: of the patients, where every fold has seeds of its own.
    """
    held = present[:, k]
    found: dict[str, Any] = {}
    if held.any() and _measured(scores["nsd"], k)[held].all():
        found |= _nsd("nsd", patients, scores, held, k, fold, confidence)
    found |= _hd95("hd95", scores, held, np.ones(len(held)), k)
    in_mm = held & _measured(scores["nsd_mm"], k)
    if in_mm.any():
        found |= _nsd("nsd_mm", patients, scores, in_mm, k, fold, confidence) | {"n_mm": int(in_mm.sum())}
    sized = held & ~np.isnan(pixel_mm)
    return found | _hd95("hd95_mm", scores, sized, pixel_mm, k)


def _measured(pair: tuple[np.ndarray, np.ndarray], k: int) -> np.ndarray:
    """bool (n_images,): films on which every run of both arms has a value."""
    return ~(np.isnan(pair[0][:, :, k]).any(axis=0) | np.isnan(pair[1][:, :, k]).any(axis=0))


def _nsd(
    name: str, patients: Patients, scores: Scores, held: np.ndarray, k: int, fold: np.ndarray | None, confidence: float
) -> dict[str, Any]:
    a, b = (patients.means(s[:, :, k : k + 1], held[:, None])[:, :, 0] for s in scores[name])
    e = estimate(a, b, fold)
    ci = bounded(e.interval(confidence))
    return {f"{name}_a": e.mean_a, f"{name}_b": e.mean_b, f"{name}_delta": e.delta, f"{name}_ci": ci}


def _hd95(name: str, scores: Scores, held: np.ndarray, scale: np.ndarray, k: int) -> dict[str, Any]:
    """Medians over the films where every run of both arms found the bone; ``scale``: what a pixel is there."""
    whole = held & _measured(scores["hd95"], k)
    if not whole.any():
        return {}
    medians = (float(np.median(s[:, whole, k].mean(axis=0) * scale[whole])) for s in scores["hd95"])
    return dict(zip((f"{name}_a", f"{name}_b"), medians, strict=True))
