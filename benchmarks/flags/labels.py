"""The label detectors on the ten labelled films: clean, and with planted errors; skeletons made without the film's
patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def results(data: Path, times: int, progress: Callable[[str], None]) -> tuple[list[Result], dict[str, dict]]:
    """Figures per label flag, and per kind of planted error how often its own flag and any label flag was raised."""
    cases: dict[str, list[Case]] = {n: [] for n in NAMES}
    kinds = {kind: {"flag": flag, "n": 0, "own": 0, "any": 0} for kind, (flag, _) in PLANTS.items()}
    rng = np.random.default_rng(0)
    for name, regions in labelled(data / "hands29").items():
        patient = name.split("/")[0]
        progress(f"planting in {name}")
        path = data / "hands29" / "DCM" / f"{name}.png"
        gray = Film(name, name, path).gray
        with without_patient(data, patient):
            for flag in _judged(name, gray, regions, NAMES).flags:
                cases[flag.name].append(Case(f"hands29/DCM/{name}.png", patient, False, flag.score, flag.flagged))
            for kind, (flag_name, plant) in PLANTS.items():
                for _ in range(times):
                    result = _judged(name, gray, plant(regions, gray.shape[::-1], rng), NAMES)
                    flag = result.flag(flag_name)
                    cases[flag_name].append(Case(f"{name}: {kind}", patient, True, flag.score, flag.flagged))
                    kinds[kind]["n"] += 1
                    kinds[kind]["own"] += flag.flagged
                    kinds[kind]["any"] += bool(result.flagged)
    return [judge(n, "10 films, planted errors", c) for n, c in cases.items()], kinds


def table(kinds: dict[str, dict]) -> str:
    """Lines of what was planted and what was raised."""
    lines = [f"{'planted':<28} {'flag':<16} {'raised':>8} {'any label flag':>15}"]
    lines += [f"{k:<28} {v['flag']:<16} {v['own']}/{v['n']:<6} {v['any']}/{v['n']:<8}" for k, v in kinds.items()]
    return "\n".join(lines)
