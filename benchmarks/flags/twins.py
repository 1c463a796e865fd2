"""Near-duplicates: real ones (the same radiograph cropped, turned and scaled by others), copies made in many ways, and
the two hands on one film, which are none: ``python -m benchmarks.flags.twins [DATA]`` (six minutes)."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.flags.marks import load_marked
from benchmarks.flags.scores import Case, Result, judge
from benchmarks.flags.skeleton import SECOND_READER
from curate.flags import Film, films_from_folder, run_detectors
from curate.flags.signs import BOTH, INVERTED, MIRRORED, SAME, changed

SAID = {SAME: "A copy of", MIRRORED: "A mirrored", INVERTED: "An inverted copy of", BOTH: "and inverted copy of"}
"""What the sentence must hold of a copy changed in each way."""

HOW = {SAME: "not mirrored", MIRRORED: "mirrored", INVERTED: "inverted", BOTH: "mirrored+inverted"}

FOLDERS = ("hands29", "hands29_second", "radiographs")


def _known(data: Path) -> dict[str, set[str]]:
    """Film -> names of the films that show the same exposure, by the data's own columns."""
    rows = list(csv.DictReader((data / "radiographs/tags.csv").read_text().splitlines()))
    groups: list[set[str]] = []
    for row in rows:
        name = f"radiographs/{row['file']}"
        if row["also_in"]:
            number = int("".join(c for c in Path(row["file"]).stem if c.isdigit()) or 0)
            groups.append({name, *_cut_from(data, row["also_in"], number)})
        if row["duplicate_of"]:
            groups.append({name, f"radiographs/images/{row['duplicate_of']}"})
    second = {p.parent.name: p for p in (data / "hands29_second/DCM").rglob("*.png")}
    for theirs, ours in SECOND_READER.items():
        frontal = next((data / "hands29/DCM" / ours).glob("image1*.png"))
        groups.append({second[theirs].relative_to(data).as_posix(), frontal.relative_to(data).as_posix()})
    known: dict[str, set[str]] = {}
    for group in groups:
        for name in group:
            known.setdefault(name, set()).update(group)
    return known


def _cut_from(data: Path, place: str, number: int) -> list[str]:
    """Films in a patient's folder cut from this radiograph: the oblique one carries its number, the frontal one
    does not."""
    films = sorted((data / place.replace("hands29", "hands29/DCM")).glob("*.png"))
    own = [p for p in films if p.stem.endswith(f"{number:09d}")]
    oblique = [p for p in films if p.stem.startswith("image9")]
    chosen = own or [p for p in films if p not in oblique]
    return [p.relative_to(data).as_posix() for p in chosen]


def copies(gray: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The same exposure as other people leave it: re-saved, shifted, cropped, scaled, turned, with another grey
    scale, with grain (standard deviation 10 in a film of 512 px)."""
    height, width = gray.shape
    side = int(0.7 * height), int(0.7 * width)
    y, x = int(rng.uniform(0, height - side[0])), int(rng.uniform(0, width - side[1]))
    jpeg = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -7, 0.95)
    grain = 10 * max(1.0, max(gray.shape) / 512)
    shift = np.array([[1, 0, 0.06 * width], [0, 1, -0.04 * height]])
    return {
        "re-saved": cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE),
        "shifted": cv2.warpAffine(gray, shift, (width, height)),
        "cropped": np.ascontiguousarray(gray[y : y + side[0], x : x + side[1]]),
        "half size": cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "turned": cv2.rotate(gray, cv2.ROTATE_90_CLOCKWISE),
        "turned 7 degrees": cv2.warpAffine(gray, turn, (width, height)),
        "other greys": (255 * (gray / 255.0) ** 0.6).astype(np.uint8),
        "brighter": np.clip(gray * 1.25 + 15, 0, 255).astype(np.uint8),
        "grainy": np.clip(gray + rng.normal(0, grain, gray.shape), 0, 255).astype(np.uint8),
    }


def _two_hands(data: Path, known: dict[str, set[str]]) -> list[Case]:
    """Halves of the films with two hands or two views, all in one set: no half is a copy of any other."""
    halves, names = [], []
    for film in load_marked(data / "radiographs"):
        if film.views == 2 and not known.get(f"radiographs/{film.name}", set()) & {f"radiographs/{n}" for n in names}:
            width = film.gray.shape[1] // 2
            for side, half in (("left", film.gray[:, :width]), ("right", film.gray[:, width:])):
                label, half = f"{film.name}, {side} half", np.ascontiguousarray(half)
                halves.append(Film(label, label, digest=label, pixels=lambda h=half: h))
                names.append(film.name)
    said = run_detectors(halves, ["near-duplicate"])
    flags = [(name, r.id, r.flag("near-duplicate")) for name, r in zip(names, said, strict=True)]
    return [Case(label, name, False, flag.score, flag.flagged) for name, label, flag in flags]


def _made(films: list[Film]) -> dict[int, list[Case]]:
    """For each way of changing: every kind of copy of each film beside its original; found where the sentence says
    what was done."""
    made: dict[int, list[Case]] = {way: [] for way in SAID}
    rng = np.random.default_rng(0)
    for film in films:
        for kind, copy in copies(film.gray, rng).items():
            for way, said in SAID.items():
                other = changed(copy, way)
                twin = Film("copy", kind, None, digest="copy", pixels=lambda c=other: c)
                flag = run_detectors([film, twin], ["near-duplicate"])[1].flag("near-duplicate")
                right = flag.flagged and said in flag.why
                made[way].append(Case(f"{film.id} {kind}", film.id, True, flag.score, right))
        film.close()
    return made


def results(data: Path, progress: Callable[[str], None]) -> list[Result]:
    """Real pairs: every film of a pair but the first must be flagged, no other; copies made, as they are and mirrored
    or inverted; and the halves of films with two hands, none of which must be."""
    progress("near-duplicates among all shared films")
    films = [f for folder in FOLDERS for f in films_from_folder(data / folder)]
    known = _known(data)
    named = [f"{folder}/{f.id}" for folder in FOLDERS for f in films_from_folder(data / folder)]
    cases = []
    seen: set[str] = set()
    for name, result in zip(named, run_detectors(films, ["near-duplicate"]), strict=True):
        flag = result.flag("near-duplicate")
        truth = bool(known.get(name, set()) & seen)
        seen.add(name)
        if flag is not None:
            cases.append(Case(name, name, truth, flag.score, flag.flagged))
    chosen = [f for f in films if f.id.startswith(("images/IMG00000", "plain/IMG00020"))]
    progress(f"copies of {len(chosen)} films")
    made = _made(chosen)
    return [
        judge("near-duplicate", "real pairs", cases),
        *(judge("near-duplicate", f"copies, {HOW[way]}", some) for way, some in made.items()),
        judge("near-duplicate", "halves: two hands", _two_hands(data, known)),
    ]


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    for told in results(where, lambda text: print(text, file=sys.stderr, flush=True)):
        print(told.row(), *told.missed[:30], *told.false, sep="\n  ")
