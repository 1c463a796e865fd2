"""How the bones of a hand lie to each other: a graph of neighbouring bones with where and how large each is to the
next.

Positions are compared in the hand's own frame: turned so that the fingers point up, mirrored to a right hand, in units
of the hand (the median length of what joins neighbouring bones). Means and spreads come from ``skeleton.json``,
made of real
labelled films by ``python -m benchmarks.flags.skeleton``; with many labelled films in a set, spreads come from the
set itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from itertools import pairwise

import numpy as np

from curate.presets import CARPALS, FINGERS, FOREARM, THUMB

RAYS = (THUMB, *FINGERS)


def _links() -> tuple[tuple[str, str], ...]:
    along = [pair for ray in RAYS for pair in pairwise(ray)]
    beside = [(a[-k], b[-k]) for a, b in pairwise(FINGERS) for k in (1, 2, 3, 4)]
    beside += [(THUMB[-1], FINGERS[0][-1]), (THUMB[-2], FINGERS[0][-1]), (THUMB[0], FINGERS[0][-2])]
    wrist = [
        (THUMB[-1], "Trapezium"),
        (FINGERS[0][-1], "Trapezoid"),
        (FINGERS[1][-1], "Capitate"),
        (FINGERS[2][-1], "Hamate"),
        (FINGERS[3][-1], "Hamate"),
        ("Radius", "Scaphoid"),
        ("Radius", "Lunate"),
        ("Ulna", "Lunate"),
        ("Ulna", "Triquetrum"),
        ("Radius", "Ulna"),
        ("Radius", "Capitate"),
        ("Ulna", "Hamate"),
        (FINGERS[1][-1], "Radius"),
        (FINGERS[3][-1], "Ulna"),
    ]
    carpal = [(a, b) for k, a in enumerate(CARPALS) for b in CARPALS[k + 1 :]]
    return tuple(along + beside + wrist + carpal)


LINKS = _links()
"""Pairs of bones whose relative position says something; each bone is in at least two."""

BONES = tuple(b for ray in RAYS for b in ray) + tuple(CARPALS) + tuple(FOREARM)


@dataclass(frozen=True)
class Model:
    """mean: (links, 2) hand units; precision: (links, 2, 2); area, area_sd: (links,) log area of one bone over the
    other."""

    mean: np.ndarray
    precision: np.ndarray
    area: np.ndarray
    area_sd: np.ndarray

    @cached_property
    def known(self) -> np.ndarray:
        return np.isfinite(self.mean).all(1)


def frame_of(places: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float] | None:
    """(2x2 rotation that turns the hand's fingers up, hand unit in pixels); ``None`` without enough bones.

    Medians throughout, so that a few exchanged or misplaced bones don't turn the hand.
    """
    steps = [places[a] - places[b] for ray in FINGERS for a, b in pairwise(ray) if a in places and b in places]
    if len(steps) < 3:
        steps = [places[a] - places[b] for ray in RAYS for a, b in pairwise(ray) if a in places and b in places]
        if len(steps) < 2:
            return None
    lengths = np.array([np.hypot(*s) for s in steps])
    unit = float(np.median(lengths))
    if not unit > 0:
        return None
    ways = np.array(steps) / np.maximum(lengths, 1e-9)[:, None]
    axis = np.median(ways, axis=0)
    if np.hypot(*axis) < 1e-6:
        return None
    x, y = axis / np.hypot(*axis)
    return np.array([[-y, x], [-x, -y]]), unit


def relative(
    places: Mapping[str, np.ndarray], areas: Mapping[str, float], mirrored: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """(links, 2) steps from one bone to the next in the hand's frame, (links,) log area ratios; NaN where a bone
    is missing."""
    frame = frame_of(places)
    if frame is None:
        return None
    turn, unit = frame
    steps, sizes = np.full((len(LINKS), 2), np.nan), np.full(len(LINKS), np.nan)
    for k, (a, b) in enumerate(LINKS):
        if a in places and b in places:
            steps[k] = turn @ (places[a] - places[b]) / unit
            sizes[k] = np.log(max(areas[a], 1e-6) / max(areas[b], 1e-6))
    if mirrored:
        steps[:, 0] *= -1
    return steps, sizes


def model_of(films: Sequence[tuple[np.ndarray, np.ndarray]], floor: float = 0.07) -> Model:
    """The model of many films' ``relative`` steps: medians, and spreads no smaller than ``floor`` hand units."""
    steps = np.stack([f[0] for f in films])
    sizes = np.stack([f[1] for f in films])
    with np.errstate(all="ignore"):
        mean, area = _median(steps), _median(sizes)
        around = steps - mean
        spread = np.nanmean(np.einsum("fki,fkj->fkij", around, around), axis=0)
        area_sd = np.maximum(1.4826 * _median(np.abs(sizes - area)), 0.12)
    inflate = 1 + 4 / len(films)  # few films know little of the spread
    precision = np.linalg.inv(np.nan_to_num(spread) * inflate + floor**2 * np.eye(2))
    return Model(mean, precision, area, area_sd * inflate)


def _median(values: np.ndarray) -> np.ndarray:
    out = np.full(values.shape[1:], np.nan)
    there = ~np.isnan(values).all(axis=0)
    out[there] = np.nanmedian(values[:, there], axis=0)
    return out


def distances(model: Model, steps: np.ndarray) -> np.ndarray:
    """(links,) squared Mahalanobis distances of steps from the model; NaN where unknown."""
    off = steps - model.mean
    return np.einsum("ki,kij,kj->k", off, model.precision, off)


CAP = 30.0
"""A link's squared distance counts no more than this, so that one wrong bone does not drown the others."""

INDEX = {bone: k for k, bone in enumerate(BONES)}
ENDS = np.array([[INDEX[a], INDEX[b]] for a, b in LINKS])


@dataclass(frozen=True)
class Placing:
    """A film's bones in the hand's frame.

    Attributes:
        at: (bones, 2) hand units, fingers up, as seen (not mirrored); NaN where missing. size: (bones,) log area.
        mirrored: whether the model fits better when mirrored: a left hand.
    """

    at: np.ndarray
    size: np.ndarray
    mirrored: bool

    @classmethod
    def of(cls, model: Model, places: Mapping[str, np.ndarray], areas: Mapping[str, float]) -> Placing | None:
        frame = frame_of(places)
        if frame is None:
            return None
        turn, unit = frame
        at, size = np.full((len(BONES), 2), np.nan), np.full(len(BONES), np.nan)
        for bone, place in places.items():
            at[INDEX[bone]] = turn @ place / unit
            size[INDEX[bone]] = np.log(max(areas[bone], 1e-6))
        mirrored = total(model, at, size, True) < total(model, at, size, False)
        return cls(at, size, bool(mirrored))


def terms(model: Model, at: np.ndarray, size: np.ndarray, mirrored: bool) -> np.ndarray:
    """(..., links) capped squared distances of positions and of log areas from the model; NaN where unknown.

    at: (..., bones, 2), size: (..., bones): any number of arrangements at once.
    """
    off = (at[..., ENDS[:, 0], :] - at[..., ENDS[:, 1], :]) * np.array([-1.0 if mirrored else 1.0, 1.0]) - model.mean
    place = np.einsum("...ki,kij,...kj->...k", off, model.precision, off)
    ratio = (size[..., ENDS[:, 0]] - size[..., ENDS[:, 1]] - model.area) / model.area_sd
    return np.minimum(place, CAP) + np.minimum(ratio**2, CAP / 2)


def total(model: Model, at: np.ndarray, size: np.ndarray, mirrored: bool) -> np.ndarray:
    """How far an arrangement of bones is from the model: the sum of ``terms``."""
    return np.nansum(terms(model, at, size, mirrored), axis=-1)


def off_place(model: Model, placing: Placing) -> np.ndarray:
    """(bones,) median over a bone's links of its squared distance from where the neighbours have it; NaN where
    unknown."""
    off = (placing.at[ENDS[:, 0]] - placing.at[ENDS[:, 1]]) * np.array(
        [-1.0 if placing.mirrored else 1.0, 1.0]
    ) - model.mean
    squared = np.einsum("ki,kij,kj->k", off, model.precision, off)
    out = np.full(len(BONES), np.nan)
    for k in range(len(BONES)):
        mine = squared[(k == ENDS).any(1)]
        mine = mine[~np.isnan(mine)]
        if len(mine) >= 2:
            out[k] = np.median(mine)
    return out


@lru_cache(maxsize=4)
def load_model(name: str = "skeleton.json") -> Model:
    """The model that ships with the package."""
    return model_from(json.loads(resources.files("curate.flags").joinpath(name).read_text("utf-8")))


def model_from(stored: Mapping) -> Model:
    """A model from the plain data of ``model_to``; links are matched by name."""
    rows = {tuple(r["link"]): r for r in stored["links"]}
    mean, precision = np.full((len(LINKS), 2), np.nan), np.tile(np.eye(2), (len(LINKS), 1, 1))
    area, area_sd = np.full(len(LINKS), np.nan), np.ones(len(LINKS))
    for k, link in enumerate(LINKS):
        if link in rows:
            row = rows[link]
            mean[k], precision[k], area[k], area_sd[k] = row["mean"], row["precision"], row["area"], row["area_sd"]
    return Model(mean, precision, area, area_sd)


def model_to(model: Model, note: str) -> dict:
    """Plain data of a model, with a note on where it comes from."""
    links = [
        {
            "link": list(link),
            "mean": np.round(model.mean[k], 4).tolist(),
            "precision": np.round(model.precision[k], 3).tolist(),
            "area": round(float(model.area[k]), 4),
            "area_sd": round(float(model.area_sd[k]), 4),
        }
        for k, link in enumerate(LINKS)
        if np.isfinite(model.mean[k]).all()
    ]
    return {"note": note, "links": links}
