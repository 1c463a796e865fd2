"""The page of ``train errors``: one self-contained file in the style of the report of ``train diff``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import UsageError
from train.compare.page import asset, templates
from train.errors.chart import spread
from train.errors.draw import FilmPictures, Tile
from train.errors.findings import Findings
from train.errors.flags import sentence
from train.errors.maps import FARTHEST
from train.errors.outliers import FEWEST, LEAST
from train.reopen import open_run

_MOST_OUTLIERS = 40
_MOST_BONES = 64
_LEGEND = (
    '<p class="legend"><span><i class="swatch ok"></i>both</span><span><i class="swatch missed"></i>missed</span>'
    '<span><i class="swatch invented"></i>invented</span><span><i class="swatch wrong"></i>wrong class</span>'
    f'<span>border: 0<i class="scale"></i>{FARTHEST:g} px and more</span>'
    '<span>loss and Grad-CAM: little<i class="scale"></i>much</span></p>'
)
_COLUMNS = (
    ("text", "bone"), ("number", "films"), ("number", "mean"), ("number", "median"), ("number", "worst"),
    ("text", "on"), ("number", "missed"), ("number", "invented"),
)  # fmt: skip


@dataclass(frozen=True)
class Drawings:
    """The pictures: of the worst films, by index of the film; of bones, by index of the class, on which film."""

    films: dict[int, list[Tile]]
    bones: dict[int, tuple[int, list[Tile]]]
    notes: tuple[str, ...] = ()


def draw(
    found: Findings, most: int, manifest: Path | None = None, progress: Callable[[int], None] = lambda done: None
) -> Drawings:
    """Draw the worst films, and every bone on its worst film; each run is opened once.

    Args:
        most: films to draw whole; 0: no pictures at all. manifest: as for :func:`train.errors.inspect_runs`.
        progress: called with how many films are done; in all :func:`to_draw` of them.
    """
    wanted = to_draw(found, most)
    films: dict[int, list[Tile]] = {}
    bones: dict[int, tuple[int, list[Tile]]] = {}
    notes: list[str] = []
    means, done = found.film_means(), 0
    for run in sorted({found.run_of[film] for film in wanted}):
        opened = open_run(found.runs[run], manifest)
        opened.films()  # brings its films to training size where they are not there any more
        for film in (film for film in wanted if found.run_of[film] == run):
            whole, mine = wanted[film]
            worst = (found.worst_bones(film, 1) if whole else []) or [None]
            bits = [k for k in dict.fromkeys([*worst, *mine]) if k is not None]
            try:
                pictures = FilmPictures(opened, found.films[film], bits)
            except UsageError as error:
                if error.path != "grad-cam":
                    raise
                notes = [error.detail]
                pictures = FilmPictures(opened, found.films[film], [])
            if whole:
                films[film] = pictures.whole(worst[0], means[film])
            bones |= {bone: (film, pictures.close(bone)) for bone in mine}
            done += 1
            progress(done)
    return Drawings(films, bones, tuple(notes))


def to_draw(found: Findings, most: int) -> dict[int, tuple[bool, list[int]]]:
    """Films to draw: index -> (whole, bones to draw close)."""
    if not most:
        return {}
    order = np.argsort(np.nan_to_num(found.film_means(), nan=2.0), kind="stable")[:most]
    wanted: dict[int, tuple[bool, list[int]]] = {int(film): (True, []) for film in order}
    means = found.bone_means()
    for bone in np.argsort(np.nan_to_num(means, nan=2.0), kind="stable")[:_MOST_BONES]:
        if math.isfinite(means[bone]):
            film = int(np.nanargmin(found.dice[:, bone]))
            wanted.setdefault(film, (False, []))[1].append(int(bone))
    return wanted


def page(found: Findings, drawings: Drawings) -> str:
    """The page as text.

    Raises:
        UsageError: jinja2 is not installed.
    """
    environment, markup = templates()
    means, film_means = found.bone_means(), found.film_means()
    overall = float(np.nanmean(means))
    bones = [int(k) for k in np.argsort(means, kind="stable") if math.isfinite(means[k])]
    named = ", ".join(f"{found.classes[k]} {means[k]:.3f}" for k in bones[:3])
    seeds = {record.get("seed") for record in found.records}
    folds = sorted({str(record.get("fold")) for record in found.records})
    one_in = round(1 / found.rate)
    return environment.from_string(_file("page.html")).render(
        css=markup(asset("report.css") + _file("page.css")),
        js=markup(asset("report.js") + _file("page.js")),
        version=found.version.name,
        runs=found.runs,
        lead=f"Mean Dice over bones {overall:.3f}; the worst are {named}.",
        facts=f"{_many(len(found.films), 'film')} of {_many(len(folds), 'fold')} ({', '.join(folds)}), "
        f"{_many(len(seeds), 'seed')}; no run was trained on a film that it is judged by.",
        notes=drawings.notes,
        spread=markup(spread(found)),
        flagged=(
            f"{len(found.outliers)} of {len(found.films)} films; about {len(found.films) * found.rate:.1f} would be so "
            "by chance. A wrong label and a wrong model look alike here: look at the film."
        ),
        outliers=[_outlier(found, outlier) for outlier in found.outliers[:_MOST_OUTLIERS]],
        legend=markup(_LEGEND),
        films=[_film(found, f, drawings.films[f]) for f in sorted(drawings.films, key=lambda f: film_means[f])],
        bones=[_bone(found, bone, *drawings.bones[bone]) for bone in bones if bone in drawings.bones],
        columns=_COLUMNS,
        rows=[_row(found, bone) for bone in bones],
        one_in=one_in,
        least=f"{LEAST:g}",
        fewest=FEWEST,
        where=", ".join(str(run) for run in found.runs),
    )


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _file(name: str) -> str:
    return resources.files("train.errors").joinpath(name).read_text(encoding="utf-8")


def _outlier(found: Findings, outlier: Any) -> dict[str, Any]:
    bone = found.classes[outlier.bones[0]]
    told = {"film": found.films[outlier.film].id, "bone": bone, "why": sentence(found, outlier)}
    return told | {"dice": outlier.dice[0], "median": outlier.medians[0]}


def _film(found: Findings, film: int, tiles: list[Tile]) -> dict[str, Any]:
    row = found.films[film]
    worst = ", ".join(f"{found.classes[k]} {found.dice[film, k]:.2f}" for k in found.worst_bones(film))
    return {"id": row.id, "group": row.group, "worst": worst, "tiles": tiles}


def _bone(found: Findings, bone: int, film: int, tiles: list[Tile]) -> dict[str, Any]:
    about = {"name": found.classes[bone], "film": found.films[film].id, "dice": float(found.dice[film, bone])}
    return about | {"tiles": tiles}


def _row(found: Findings, bone: int) -> list[Any]:
    """A bone in numbers: its name, then (sorting value, text) of each cell."""
    told = bone_numbers(found, bone)
    cells = [(told["n"], str(told["n"]))]
    cells += [(told[key], f"{told[key]:.4f}") for key in ("dice", "median", "worst")]
    cells += [(told["film"], told["film"])]
    return [told["name"], *cells, *((told[key], str(told[key])) for key in ("missed", "invented"))]


def bone_numbers(found: Findings, bone: int) -> dict[str, Any]:
    """A bone in numbers: films with a score, Dice, where it was lowest, films on which it was missed or invented."""
    dice, present = found.dice[:, bone], found.present[:, bone]
    held = np.flatnonzero(np.isfinite(dice))
    about: dict[str, Any] = {"name": found.classes[bone], "n": int(held.size)}
    if not held.size:
        return about | {"dice": None, "median": None, "worst": None, "film": None, "missed": 0, "invented": 0}
    worst = int(held[np.argmin(dice[held])])
    return about | {
        "dice": float(dice[held].mean()),
        "median": float(np.median(dice[held])),
        "worst": float(dice[worst]),
        "film": found.films[worst].id,
        "missed": int((present[held] & (dice[held] == 0)).sum()),
        "invented": int((~present[held]).sum()),
    }

