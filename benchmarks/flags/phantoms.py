"""The detectors on phantoms: every oddity's place and kind is known."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from benchmarks.flags.scores import Case, Result, judge
from curate.flags import films_from_folder, run_detectors
from curate.phantom.write import write_phantom

FLAGS = (
    "jewellery",
    "implant",
    "nail-art",
    "rotation",
    "bent-wrist",
    "bent-finger",
    "exposure",
    "inverted",
    "duplicate",
    "near-duplicate",
)


def results(folder: Path, n: int, size: int, progress: Callable[[str], None]) -> list[Result]:
    """Figures of the flags that phantoms carry, on ``n`` films of ``size`` pixels, a third of them odd."""
    if not (folder / "truth.csv").exists():
        progress(f"{n} phantoms of {size} px")
        write_phantom(folder, n=n, size=size, seed=41, share=0.35)
    truth: dict[str, set[str]] = {}
    for row in csv.DictReader((folder / "truth.csv").read_text().splitlines()):
        truth.setdefault(Path(row["image"]).stem, set()).add(row["flag"])
    for flags in truth.values():
        flags |= {"near-duplicate"} & {f"near-{flag}" for flag in flags}  # both hands of a patient are none
    progress("detectors on phantoms")
    said = {Path(r.image).stem: r for r in run_detectors(films_from_folder(folder), FLAGS)}
    out = []
    for flag in FLAGS:
        cases = [
            Case(name, name, flag in truth.get(name, set()), found.score, found.flagged)
            for name, result in said.items()
            if (found := result.flag(flag)) is not None
        ]
        out.append(judge(flag, "phantoms", cases))
    return out
