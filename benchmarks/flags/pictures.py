"""What the heads are taught with: the trunk's features of films as they are, and of films with things composed in.

Each picture comes from films of one fold, so that any fold can be left out; made once, kept in a folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from benchmarks.flags.halves import halves_of
from benchmarks.flags.marks import Limb, Marked, close_up
from benchmarks.flags.sample import DENSE, IGNORE, THINGS, Source, Target, cells_of, picture_and_target
from benchmarks.flags.tones import toned
from curate.flags.heads import CELLS, SIDE, features, prepare

Rng = np.random.Generator
FOLDS = 6
"""Folds 0 to 2 are one half of the studies, 3 to 5 the other."""

PARTS, MADE = 16, 80
"""Rounds of composed pictures, and how many of each fold in a round."""

AS_THEY_ARE, OTHER_TONES = range(2), range(2, 5)
"""Rounds in which every film is seen as well: with its own grey values (in the first as it lies), and with others."""

CLOSE = range(3)
"""Of these, the rounds in which hands are seen close up as well."""

SHARP = 1400
"""Longer side of the films that close-ups are cut from, in pixels."""

CHANCES = ((0.7, 0.0, 0.1, 0.2), (0.0, 0.7, 0.1, 0.1), (0.15, 0.15, 0.55, 0.0), (0.0, 0.0, 0.0, 0.0))
"""Chances of each of THINGS to be composed in, in turn."""


@dataclass(frozen=True)
class Lesson:
    """One picture as the heads see it.

    Attributes:
        cells: float16 (n, WIDTH), some of its cells; said: float16 (n, len(CELLS)), what is true of them; told: uint8,
        where it can be told. whole: float32 features; answers: float32 (len(WHOLE),) 1, 0 or IGNORE.
        things: float32 (len(THINGS),), whether each is on the picture, likewise. real: nothing was composed in.
    """

    cells: np.ndarray
    said: np.ndarray
    told: np.ndarray
    whole: np.ndarray
    answers: np.ndarray
    things: np.ndarray
    real: bool


def folds_of(films: list[Marked], rows: dict[str, dict[str, str]], half: dict[str, int]) -> dict[str, int]:
    """Film name -> fold: whole studies, those that share what is seen on them shared out in turn."""
    groups: dict[str, list[Marked]] = {}
    for film in films:
        groups.setdefault(rows[film.name]["study"], []).append(film)
    fold: dict[str, int] = {}
    counts: dict[tuple[int, str], list[int]] = {}
    for study in sorted(groups, key=lambda s: (-len(groups[s]), s)):
        members = groups[study]
        seen = "".join(k for k in "icj" if any(f.has(k) for f in members))
        side = half[members[0].name]
        have = counts.setdefault((side, (seen or members[0].region)[0]), [0] * (FOLDS // 2))
        at = int(np.argmin(have))
        have[at] += len(members)
        fold.update({f.name: FOLDS // 2 * side + at for f in members})
    return fold


def _on_cells(target: Target, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """What is true of each cell of the head, and where it can be told, from the finer grid of a target."""
    wide = size[1] * 2, size[0] * 2

    def quads(planes: np.ndarray) -> np.ndarray:
        sized = np.stack([cv2.resize(p, wide, interpolation=cv2.INTER_NEAREST) for p in planes])
        return sized.reshape(len(sized), size[0], 2, size[1], 2)

    dense, valid = quads(target.dense), quads(target.valid)
    most, mean, told = dense.max((2, 4)), dense.mean((2, 4)), valid.min((2, 4))
    out = most.copy()
    for name in ("cast", "hand", "forearm"):
        out[DENSE.index(name)] = mean[DENSE.index(name)] > 0.4
    at = [DENSE.index(f"direction-{k}") for k in "xy"]
    length = np.sqrt((mean[at] ** 2).sum(0))
    out[at] = mean[at] / (length + 1e-6)
    told[at] = (length > 0.3) & (told[at[0]] > 0)
    return out, told


def _some(rng: Rng, said: np.ndarray, told: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """Indices of the cells to learn from: things, markers, limbs, what stands out, and a hundred anywhere."""
    there = said.reshape(len(said), -1) * told.reshape(len(told), -1) > 0
    most = {"jewellery": 40, "implant": 40, "cast": 40, "nail-art": 24, "marker": 24}
    picked = [rng.permutation(np.flatnonzero(there[CELLS.index(name)]))[:n] for name, n in most.items()]
    picked.append(np.argsort(-standing.ravel())[:50])
    picked.append(rng.permutation(standing.size)[:110])
    limb = there[CELLS.index("hand")] | there[CELLS.index("forearm")]
    picked.append(rng.permutation(np.flatnonzero(limb))[:30])
    return np.unique(np.concatenate(picked))


def lesson(picture: np.ndarray, target: Target, things: np.ndarray, real: bool, rng: Rng) -> Lesson:
    """The lesson of a uint8 picture: its features, its target brought to the cells."""
    seen = features(prepare(picture))
    said, told = _on_cells(target, seen.cells.shape[:2])
    at = _some(rng, said, told, seen.cells[..., -3])
    cells = seen.cells.reshape(-1, seen.cells.shape[2])[at]
    return Lesson(
        cells.astype(np.float16), said.reshape(len(said), -1)[:, at].T.astype(np.float16),
        told.reshape(len(told), -1)[:, at].T.astype(np.uint8), seen.whole.astype(np.float32), target.whole, things,
        real,
    )  # fmt: skip


def tagged(row: dict[str, str]) -> np.ndarray:
    """(len(THINGS),) what a film's tags say: 1, 0, or IGNORE where the person was unsure. Nobody wore nail art."""

    def of(column: str) -> float:
        value = row.get(column) or ""
        return IGNORE if value == "unsure" else float(value != "")

    return np.array([of("jewellery"), of("implant"), of("cast"), 0.0], np.float32)


def as_it_is(source: Source, turn: int, flip: bool) -> tuple[np.ndarray, Target]:
    """A film in one of its eight lies, nothing composed in, and its target."""
    gray, planes, field = source.film.gray, source.planes, source.field
    if flip:
        gray, planes, field = gray[:, ::-1], planes[:, ::-1], field[:, ::-1] * np.float32([-1, 1])
    gray, planes, field = (np.ascontiguousarray(np.rot90(a, turn)) for a in (gray, planes, field))
    for _ in range(turn):  # a quarter turn takes (x, y) to (y, -x)
        field = np.stack([field[..., 1], -field[..., 0]], -1)
    dense, valid = cells_of(planes, field)
    valid[DENSE.index("marker")] = 0  # nobody marked them
    film = source.film
    bent = float(film.bent) if film.region == "H" and film.views == 1 else IGNORE
    whole = np.array([0, {"H": 0, "?": IGNORE}.get(film.region, 1), float(film.views == 2), bent], np.float32)
    return gray, Target(dense, valid, whole)


def _sized(gray: np.ndarray) -> np.ndarray:
    """A film at the size at which the trunk sees it, so that its grain and blur are as large as a composed one's."""
    scale = SIDE / max(gray.shape)
    return cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _lying(source: Source, part: int, rng: Rng) -> tuple[np.ndarray, Target]:
    """A film as it is seen in a round."""
    turn, flip = (0, False) if part == 0 else (int(rng.integers(4)), bool(rng.integers(2)))
    gray, target = as_it_is(source, turn, flip)
    return (toned(_sized(gray), rng) if part in OTHER_TONES else gray), target


def near(film: Marked) -> Marked | None:
    """The hand alone on its film, cut out as other hospitals collimate it; ``None`` of other films."""
    box = close_up(film)
    if box is None:
        return None
    size = np.array([film.gray.shape[1], film.gray.shape[0]])
    x0, y0, x1, y1 = np.round(np.array(box) * np.tile(size, 2)).astype(int)
    off = np.array([x0, y0], float)
    limbs = [Limb(k.kind, k.wrist - off, k.tip - off, k.arm - off) for k in film.limbs]
    boxes = [(kind, b - np.tile(off, 2)) for kind, b in film.boxes if _meets(b, (x0, y0, x1, y1))]
    gray = np.ascontiguousarray(film.gray[y0:y1, x0:x1])
    return Marked(film.name, gray, film.region, film.views, film.bent, limbs, boxes)


def _meets(box: np.ndarray, frame: tuple[int, int, int, int]) -> bool:
    return bool(box[0] < frame[2] and box[2] > frame[0] and box[1] < frame[3] and box[3] > frame[1])


def _things_of(target: Target) -> np.ndarray:
    """Whether each thing is on a picture, from its cells; IGNORE where too little of it is."""
    if target.whole[0] == 1:
        return np.full(len(THINGS), IGNORE, np.float32)
    out = []
    for k, name in enumerate(THINGS):
        there = float((target.dense[k] * target.valid[k]).sum())
        known = there == 0 and target.valid[k].mean() >= 0.97
        out.append(1.0 if there >= (12 if name == "cast" else 3) else 0.0 if known else IGNORE)
    return np.array(out, np.float32)


def _drawn(films: list[Marked]) -> np.ndarray:
    """How often each film is drawn: hands more than the rest, and what there is little of more still."""
    base = [
        (1.0 if f.region == "H" else 0.55) * (2.5 if f.has("c") else 1.5 if f.has("i") or f.has("j") else 1.0)
        for f in films
    ]
    return np.array(base) / np.sum(base)


def make(data: Path, folder: Path, log: Callable[[str], None]) -> None:
    """Write the lessons of every fold into ``folder``; those already there are not made again."""
    films, rows, half = halves_of(data)
    fold = folds_of(films, rows, half)
    sharp = halves_of(data, SHARP)[0]
    source = lru_cache(maxsize=None)(lambda k: Source(films[k]))
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(PARTS):
        for k in range(FOLDS):
            path = folder / f"{part}-{k}.npz"
            if path.exists():
                continue
            rng = np.random.default_rng(100 * part + k)
            mine = [i for i, f in enumerate(films) if fold[f.name] == k]
            lessons = []
            for i in mine if part in (*AS_THEY_ARE, *OTHER_TONES) else ():
                gray, target = _lying(source(i), part, rng)
                lessons.append(lesson(gray, target, tagged(rows[films[i].name]), True, rng))
            for i in mine if part in CLOSE else ():
                close = near(sharp[i])
                if close is not None:
                    gray, target = _lying(Source(close), part, rng)
                    lessons.append(lesson(gray, target, _things_of(target), True, rng))
            weights = _drawn([films[i] for i in mine])
            for n in range(MADE):
                made = picture_and_target([source(i) for i in mine], weights, SIDE, CHANCES[n % len(CHANCES)], rng)
                lessons.append(lesson(*made, _things_of(made[1]), False, rng))
            _write(path, lessons)
            log(f"{path.name}: {len(lessons)} pictures")


_LONG, _WIDE = ("cells", "said", "told"), ("whole", "answers", "things", "real")


def _write(path: Path, lessons: list[Lesson]) -> None:
    arrays = {n: np.concatenate([getattr(x, n) for x in lessons]) for n in _LONG}
    arrays |= {n: np.stack([getattr(x, n) for x in lessons]) for n in _WIDE}
    with path.with_suffix(".part").open("wb") as stream:
        np.savez(stream, ends=np.cumsum([len(x.cells) for x in lessons]), **arrays)
    path.with_suffix(".part").rename(path)


def read(folder: Path) -> dict[int, list[Lesson]]:
    """Fold -> its lessons."""
    found: dict[int, list[Lesson]] = {k: [] for k in range(FOLDS)}
    for path in sorted(folder.glob("*-?.npz")):
        with np.load(path, allow_pickle=False) as stored:
            arrays = {n: stored[n] for n in (*_LONG, *_WIDE, "ends")}
        starts = np.concatenate([[0], arrays["ends"][:-1]])
        for i, (a, b) in enumerate(zip(starts, arrays["ends"], strict=True)):
            found[int(path.stem[-1])].append(
                Lesson(*(arrays[n][a:b] for n in _LONG), *(arrays[n][i] for n in _WIDE[:-1]), bool(arrays["real"][i]))
            )
    return found
