"""The detectors on the shared radiographs, and what is true of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.flags.halves import halves_of
from benchmarks.flags.marks import Marked
from benchmarks.flags.scores import Case, Result, judge
from curate.flags import DETECTORS, FilmFlags, films_from_folder, run_detectors

PLAIN = ("duplicate", "truncated", "unreadable")
"""Flags of the tags that are not learnt; those that are: ``judged``."""

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
    """Figures of the flags that nothing was learnt for and that the tags speak of."""
    out = []
    for flag in PLAIN:
        cases = []
        for name in real.films:
            truth, found = _truths(real, name)[flag], real.said[name].flag(flag)
            if truth is not None and found is not None:
                cases.append(Case(name, real.tags[name]["study"], truth, found.score, found.flagged))
        out.append(judge(flag, "all films", cases))
    return out


@dataclass(frozen=True)
class Orientation:
    """Errors of ``fingers_deg`` against the axis marked by eye, degrees; films in a wrong quadrant or without
    an answer; and from how many films with and without a hand a direction was withheld."""

    n: int
    median: float
    p90: float
    wrong: list[str]
    withheld: str

    def to_dict(self) -> dict:
        return dict(self.__dict__)

    def row(self) -> str:
        """The figures in words."""
        figures = f"n {self.n}, median error {self.median:.1f}, 90% under {self.p90:.1f} degrees"
        return f"{figures}; wrong quadrant {self.wrong}; withheld from {self.withheld}"
