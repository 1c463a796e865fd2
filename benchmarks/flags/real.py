"""The detectors on the shared radiographs: reported on the studies that nothing was learnt from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.flags.halves import LEARNT, halves_of
from benchmarks.flags.marks import Marked, fingers_degrees
from benchmarks.flags.scores import Case, Result, judge
from curate.flags import DETECTORS, FilmFlags, films_from_folder, run_detectors

NAMES = [d.name for d in DETECTORS if not d.name.startswith("label-")]


@dataclass
class Real:
    """The films, what is known of them, and what the detectors said."""

    films: dict[str, Marked]
    tags: dict[str, dict[str, str]]
    half: dict[str, int]
    said: dict[str, FilmFlags]


def run(data: Path, progress: Callable[[str], None]) -> Real:
    """All detectors that need no labels on all films, as one set."""
    marked, tags, half = halves_of(data)
    films = films_from_folder(data)
    progress(f"{len(films)} films")
    said = {r.id: r for r in run_detectors(films, NAMES)}
    return Real({f.name: f for f in marked}, tags, half, said)


def _truths(real: Real, name: str) -> dict[str, bool | None]:
    """Flag -> what is true of a film; ``None`` where it cannot be said."""
    film, tags = real.films[name], real.tags[name]
    tagged = name.startswith("images/")

    def worn(column: str) -> bool | None:
        value = tags.get(column) or ""
        return None if value == "unsure" else value != ""

    region = {"H": False, "?": None}.get(film.region, True)
    views = tags["views"] == "2" if tagged else film.views == 2
    return {
        "jewellery": worn("jewellery"),
        "implant": worn("implant") if tagged else False,
        "cast": worn("cast"),
        "nail-art": False,
        "not-a-hand": region,
        "multiple-views": views,
        "inverted": tags.get("inverted") == "1",
        "bent-finger": film.bent if film.region == "H" and film.views == 1 else None,
        "duplicate": bool(tags.get("duplicate_of")),
        "truncated": tags["truncated"] == "1",
        "unreadable": False,
    }


def truths(real: Real) -> dict[str, dict[str, bool]]:
    """Flag -> film -> what is true of it, where it can be said."""
    out: dict[str, dict[str, bool]] = {}
    for name in real.films:
        for flag, truth in _truths(real, name).items():
            if truth is not None:
                out.setdefault(flag, {})[name] = truth
    return out


def results(real: Real) -> list[Result]:
    """Figures of every flag that the tags speak of, on the tuning half and on the reported one."""
    out = []
    flags = list(_truths(real, next(iter(real.films))))
    for flag in flags:
        for side, where in ((1 - LEARNT, "reported half"), (LEARNT, "half learnt on")):
            cases = []
            for name in real.films:
                truth = _truths(real, name)[flag]
                found = real.said[name].flag(flag)
                if real.half[name] == side and truth is not None and found is not None:
                    cases.append(Case(name, real.tags[name]["study"], truth, found.score, found.flagged))
            out.append(judge(flag, where, cases))
    return out


@dataclass(frozen=True)
class Orientation:
    """Errors of ``fingers_deg`` against the axis marked by eye, degrees; and films in a wrong quadrant or without
    an answer."""

    n: int
    median: float
    p90: float
    wrong: list[str]

    def to_dict(self) -> dict:
        return dict(self.__dict__)


QUADRANTS = {"up": 0, "right": 90, "down": 180, "left": 270}


def orientation(real: Real, side: int | None = None) -> Orientation:
    """Hands alone on their film (one view, whole, not held by another hand)."""
    errors, wrong = [], []
    for name, film in real.films.items():
        if film.region != "H" or film.views != 1 or [k.kind for k in film.limbs] != ["h"]:
            continue
        if side is not None and real.half[name] != side:
            continue
        truth = fingers_degrees(film.limbs[0])
        degrees = real.said[name].measures["fingers_deg"]
        error = 180.0 if degrees is None else abs((degrees - truth + 180) % 360 - 180)
        errors.append(error)
        tagged = QUADRANTS.get(real.tags[name].get("fingers", ""))
        off = error if tagged is None or degrees is None else abs((degrees - tagged + 180) % 360 - 180)
        if degrees is None or off > 45:
            wrong.append(name)
    return Orientation(len(errors), float(np.median(errors)), float(np.percentile(errors, 90)), wrong)
