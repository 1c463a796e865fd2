"""The same films by tools made for any picture: cleanvision's checks, and PyOD on simple features."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np

from benchmarks.flags.scores import auroc
from curate.flags import films_from_folder


def features(gray: np.ndarray) -> np.ndarray:
    """Grey-value percentiles, spread and sharpness, and the film's 8 x 8 thumbnail: what is put to a generic
    detector."""
    small = cv2.resize(gray, (8, 8), interpolation=cv2.INTER_AREA).astype(float) / 255
    edges = float(np.log1p(cv2.Laplacian(gray, cv2.CV_32F).var()))
    percentiles = np.percentile(gray, (1, 10, 50, 90, 99)) / 255
    return np.concatenate([percentiles, [gray.std() / 255, edges, gray.shape[0] / gray.shape[1]], small.ravel()])


def pyod(data: Path, odd: dict[str, dict[str, bool]]) -> dict[str, float]:
    """Flag -> AUROC of PyOD's ECOD on ``features`` for telling that flag's films; empty where PyOD is not installed."""
    if importlib.util.find_spec("pyod") is None:
        return {}
    from pyod.models.ecod import ECOD

    films = [f for f in films_from_folder(data) if f.fault is None]
    model = ECOD()
    model.fit(np.stack([features(f.small) for f in films]))
    scores = np.asarray(model.decision_scores_)
    names = [f.id for f in films]
    found = {}
    for flag, truth in odd.items():
        known = [k for k, n in enumerate(names) if n in truth]
        found[flag] = auroc(scores[known], np.array([truth[names[k]] for k in known], bool))
    return found


def cleanvision(data: Path) -> dict[str, int]:
    """Check -> films that cleanvision raises it on; empty where cleanvision is not installed.

    It is shown whole files only: a truncated one ends its run with an error.
    """
    if importlib.util.find_spec("cleanvision") is None:
        return {}
    from cleanvision import Imagelab

    films = [f for f in films_from_folder(data) if f.fault is None and not f.header.truncated]
    lab = Imagelab(filepaths=[str(f.path) for f in films])
    lab.find_issues(n_jobs=1, verbose=False)
    return {row.issue_type: int(row.num_images) for row in lab.issue_summary.itertuples()}
