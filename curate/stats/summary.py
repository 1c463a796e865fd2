"""A set of films summed up, as plain data: the tables, the page and ``--json`` are made from this."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from curate.stats.circular import direction, quadrants, upright
from curate.stats.films import EXPOSURE, FilmFacts
from curate.stats.sets import FilmSet

NUMBERS = ("age", "height", "weight")


def summarise(films: FilmSet) -> dict[str, Any]:
    """Everything that is told of one set.

    Returns:
        ``{set, n, labelled, originals, derived, patients, classes, overlaps, missing, sides, pairs, meta, orientation,
        exposure, faults}``; areas in px² of the films' own pixels and in thousandths of the frame.
    """
    labelled = [f for f in films.films if f.labelled]
    return {
        "set": films.name,
        "n": len(films.films),
        "labelled": len(labelled),
        "originals": sum(f.original for f in films.films),
        "derived": sum(not f.original for f in films.films),
        "patients": len(patients(films)) if films.patients_known else None,
        "classes": [_class(name, labelled) for name in films.classes],
        "overlaps": _overlaps(labelled),
        "missing": _missing(labelled, films.classes),
        "sides": dict(sorted(Counter(f.side or "unknown" for f in films.films if f.original).items())),
        "pairs": _pairs(films),
        "meta": _meta(films),
        "orientation": _orientation(films.films),
        "exposure": {key: spread(f.exposure[key] for f in films.films if f.exposure) for key in EXPOSURE},
        "faults": list(films.faults),
    }


def patients(films: FilmSet) -> dict[str, FilmFacts]:
    """Patient -> one of its original films; nobody where patients are unknown."""
    return {f.group: f for f in films.films if f.original} if films.patients_known else {}


def spread(values: Iterable[float], places: int = 3) -> dict[str, Any]:
    """Count, mean, median, and the values that 5% and 95% lie below; ``None`` for each of no values."""
    v = np.array(list(values), dtype=float)
    keys = ("mean", "p5", "p25", "median", "p75", "p95")
    if not len(v):
        return {"n": 0, **dict.fromkeys(keys)}
    figures = (v.mean(), *np.percentile(v, (5, 25, 50, 75, 95)))
    return {"n": len(v), **{k: round(float(x), places) for k, x in zip(keys, figures, strict=True)}}


def _class(name: str, labelled: Sequence[FilmFacts]) -> dict[str, Any]:
    there = [f for f in labelled if name in f.areas]
    return {
        "name": name,
        "n": len(there),
        "missing": len(labelled) - len(there),
        "area": spread((f.areas[name] for f in there), 1),
        "share": spread((f.share(name) for f in there), 4),
    }


def _overlaps(labelled: Sequence[FilmFacts]) -> list[dict[str, Any]]:
    """Each pair that shares area on some film: films that hold both, films on which they overlap, and the mean over
    the former of the shared area as a part of the smaller one."""
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    for film in labelled:
        for (a, b), area in film.overlaps.items():
            shares[a, b].append(area / min(film.areas[a], film.areas[b]))
    found = []
    for (a, b), values in shares.items():
        holding = sum(a in f.areas and b in f.areas for f in labelled)
        mean, most = sum(values) / holding, max(values)
        line = {"a": a, "b": b, "both": holding, "films": len(values), "share": round(mean, 4), "most": round(most, 4)}
        found.append(line)
    return sorted(found, key=lambda line: (-line["share"], line["a"], line["b"]))


def _missing(labelled: Sequence[FilmFacts], classes: Sequence[str]) -> dict[str, Any]:
    """Films that lack a class, and how often a film lacks how many."""
    lacking = {f.id: [c for c in classes if c not in f.areas] for f in labelled}
    counts = Counter(len(names) for names in lacking.values())
    films = {film: names for film, names in lacking.items() if names}
    return {"complete": counts.get(0, 0), "films": films, "by_count": {str(k): counts[k] for k in sorted(counts)}}


def _pairs(films: FilmSet) -> dict[str, int]:
    """Patients by which of their hands are there, originals only."""
    sides: dict[str, list[str]] = defaultdict(list)
    if films.patients_known:
        for film in films.films:
            if film.original:
                sides[film.group].append(film.side or "?")
    kinds = {"both": 0, "right only": 0, "left only": 0, "side unknown": 0, "more than two films": 0}
    for hands in sides.values():
        known = {*hands} - {"?"}
        if "?" in hands:
            kinds["side unknown"] += 1
        elif len(known) == 2:
            kinds["both"] += 1
        else:
            kinds[f"{known.pop()} only"] += 1
        kinds["more than two films"] += len(hands) > 2
    return kinds


def _meta(films: FilmSet) -> dict[str, Any]:
    """Age, height and weight over patients, and their sexes; how many are unknown."""
    people = [f.meta for f in patients(films).values()]
    told: dict[str, Any] = {}
    for key in NUMBERS:
        values = [m[key] for m in people if isinstance(m.get(key), int | float)]
        told[key] = {**spread(values, 1), "unknown": len(people) - len(values)}
    told["sex"] = dict(sorted(Counter(str(m.get("sex", "unknown")) for m in people).items()))
    return told


def _orientation(films: Sequence[FilmFacts]) -> dict[str, Any]:
    degrees = [f.fingers_deg for f in films if f.fingers_deg is not None]
    by_labels = sum(f.by_labels for f in films)
    known = {"n": len(degrees), "by_labels": by_labels, "by_picture": len(degrees) - by_labels}
    mean, length = direction(degrees)
    return {
        **known,
        "unknown": len(films) - len(degrees),
        "mean_deg": None if mean is None else round(mean, 1),
        "length": None if length is None else round(length, 3),
        "within_25": None if not degrees else round(upright(degrees), 4),
        **quadrants(degrees),
    }
