"""The label detectors on labelled films, clean and with planted errors: the ten real ones, five of them traced a second
time, and phantoms."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.flags.plant import PLANTS
from benchmarks.flags.scores import Case, Result, judge
from benchmarks.flags.skeleton import SECOND_READER, build, labelled
from curate.flags import (
    DETECTORS,
    Film,
    FilmFlags,
    label_geometry,
    label_misplaced,
    label_side,
    label_swapped,
    run_detectors,
)
from curate.presets import HAND_BONES
from curate.sample.annotation import Annotation

NAMES = [d.name for d in DETECTORS if d.name.startswith("label-")]


@contextmanager
def without_patient(data: Path, patient: str) -> Iterator[None]:
    """Judge with a skeleton made without this patient's films, those of the second reader included."""
    same = {patient, *(second for second, first in SECOND_READER.items() if first == patient)}
    model = build(data, frozenset(same))
    modules = (label_swapped, label_misplaced, label_geometry, label_side)
    before = [m.load_model for m in modules]
    for module in modules:
        module.load_model = lambda: model
    try:
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            module.load_model = function


def _judged(name: str, gray: np.ndarray, regions: list[Annotation], names: list[str]) -> FilmFlags:
    film = Film(
        name, name, None, annotations=lambda: regions, classes=HAND_BONES, digest="planted", pixels=lambda: gray
    )
    return run_detectors([film], names)[0]


Film29 = tuple[str, str, np.ndarray, list[Annotation]]
"""Name, patient, grey values, labels."""


def _ours(data: Path, folder: str, patient_of: Callable[[str], str]) -> Iterator[Film29]:
    for name, regions in labelled(data / folder).items():
        path = data / folder / "DCM" / f"{name}.png"
        yield f"{folder}/DCM/{name}.png", patient_of(name.split("/")[0]), Film(name, name, path).gray, regions


def phantoms(folder: Path, n: int) -> Iterator[Film29]:
    """Every other film of a phantom set, ``n`` at most, but for those whose labels the phantom itself got wrong."""
    rows = csv.DictReader((folder / "truth.csv").read_text().splitlines())
    wrong = {row["image"] for row in rows if row["flag"].startswith("label-")}
    right = [(name, regions) for name, regions in labelled(folder / "train").items() if name not in wrong]
    for name, regions in right[::2][:n]:
        yield name, name.split("/")[0], Film(name, name, folder / "train/DCM" / f"{name}.png").gray, regions


def planted(
    films: Iterable[Film29], times: int, without: Callable[[str], AbstractContextManager[None]], where: str,
    progress: Callable[[str], None],
) -> tuple[list[Result], dict[str, dict]]:  # fmt: skip
    """Figures per label flag, and per kind of planted error how often its own flag and any label flag was raised.

    Args:
        times: errors of each kind for each film. without: patient -> a context in which the skeleton knows nothing of
            that patient.
    """
    cases: dict[str, list[Case]] = {n: [] for n in NAMES}
    kinds = {kind: {"flag": flag, "n": 0, "own": 0, "any": 0} for kind, (flag, _) in PLANTS.items()}
    rng = np.random.default_rng(0)
    for name, patient, gray, regions in films:
        progress(f"planting in {name}")
        with without(patient):
            for flag in _judged(name, gray, regions, NAMES).flags:
                cases[flag.name].append(Case(name, patient, False, flag.score, flag.flagged))
            for kind, (flag_name, plant) in PLANTS.items():
                for _ in range(times):
                    result = _judged(name, gray, plant(regions, gray.shape[::-1], rng), NAMES)
                    flag = result.flag(flag_name)
                    cases[flag_name].append(Case(f"{name}: {kind}", patient, True, flag.score, flag.flagged))
                    kinds[kind]["n"] += 1
                    kinds[kind]["own"] += flag.flagged
                    kinds[kind]["any"] += bool(result.flagged)
    return [judge(n, where, c) for n, c in cases.items()], kinds


def results(data: Path, times: int, progress: Callable[[str], None]) -> tuple[list[Result], dict[str, dict]]:
    """``planted`` in the ten films, judged by skeletons made without the film's patient."""
    films = _ours(data, "hands29", lambda patient: patient)
    return planted(films, times, partial(without_patient, data), "10 films, planted errors", progress)


def second(data: Path, times: int, progress: Callable[[str], None]) -> tuple[list[Result], dict[str, dict]]:
    """``planted`` in the five films as the second reader traced them; skeletons without their patients."""
    films = _ours(data, "hands29_second", SECOND_READER.__getitem__)
    return planted(films, times, partial(without_patient, data), "second reader, planted", progress)


def of_phantoms(
    folder: Path, times: int, progress: Callable[[str], None], n: int = 20
) -> tuple[list[Result], dict[str, dict]]:
    """``planted`` in phantoms, of which the skeleton knows nothing."""
    return planted(phantoms(folder, n), times, lambda _: nullcontext(), f"{n} phantoms, planted", progress)


def table(kinds: dict[str, dict]) -> str:
    """Lines of what was planted and what was raised."""
    lines = [f"\n{'planted':<28} {'flag':<16} {'raised':>8} {'any label flag':>15}"]
    lines += [f"{k:<28} {v['flag']:<16} {v['own']}/{v['n']:<6} {v['any']}/{v['n']:<8}" for k, v in kinds.items()]
    return "\n".join(lines)
