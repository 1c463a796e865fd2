"""``compare_runs``: two arms in, one :class:`train.compare.result.Comparison` out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import UsageError
from curate.manifest.store import Version
from curate.software import versions_of_libraries
from train.compare.arm import Arm, read_arm
from train.compare.estimate import Difference, holm
from train.compare.groups import groups_of
from train.compare.names import arm_names
from train.compare.notes import lost_notes, patient_notes, seed_notes, spread_notes
from train.compare.reader import reader_agreement
from train.compare.recipe import check_alike
from train.compare.result import Comparison, Film, Line, Side, Subgroup
from train.compare.source import lineage, manifest_of, open_version
from train.compare.subgroups import subgroup_masks
from train.compare.surface import surface_lines
from train.compare.tables import Patients, bounded, estimate, macro, ordered_like

TIE = 0.001
_MOST_BONES = 3
#: Facts of a run that the report sets side by side, in this order.
FACTS = ("digest", "split", "split_digest", "n_training", "n_originals", "steps", "epochs", "nsd_tolerance",
         "nsd_tolerance_mm", "device")  # fmt: skip
LIBRARIES = ("carpus", "numpy", "scipy", "monai")


def compare_runs(
    a: Path,
    b: Path,
    *,
    margin: float = 0.01,
    confidence: float = 0.95,
    groups: Mapping[str, Sequence[str]] | None = None,
    reader: Path | None = None,
) -> Comparison:
    """Compare two arms: did what changed from A to B help, which bones, how sure.

    Nothing is drawn at random: the same inputs give the same bytes.

    Args:
        a: reference: a run folder, or a folder of run folders (the seeds and folds of one arm).
        b: what is held against it. Differences are B - A.
        margin: Dice; a bone whose whole interval lies within it is equivalent.
        confidence: of the intervals; verdicts hold at 1 - confidence over all bones together.
        groups: name -> classes to add up; by default those of :mod:`train.compare.groups`.
        reader: folder of a second reading of evaluation films (:mod:`train.compare.reader`).

    Raises:
        CarpusError: a run cannot be read or did not finish, or the two cannot be compared; names the difference.
    """
    check_options(margin, confidence)
    first, second = read_arm(Path(a)), read_arm(Path(b))
    return compare_arms(first, second, margin=margin, confidence=confidence, groups=groups, reader=reader)


def check_options(margin: float, confidence: float) -> None:
    """Raise ``UsageError`` for a margin or a confidence that cannot be meant."""
    if not 0 <= margin < 1:
        raise UsageError("--margin", f"{margin} is no difference in Dice; give 0 to 1")
    if not 0.5 <= confidence < 1:
        raise UsageError("--confidence", f"{confidence} is not between 0.5 and 1")


def compare_arms(
    first: Arm,
    second: Arm,
    *,
    margin: float = 0.01,
    confidence: float = 0.95,
    groups: Mapping[str, Sequence[str]] | None = None,
    reader: Path | None = None,
) -> Comparison:
    """As :func:`compare_runs`, of arms already read."""
    notes = [*check_alike(first, second), *seed_notes(first, second)]
    notes += [f"{arm.path}: {note}" for arm in (first, second) for note in arm.notes]
    scores = {m: (first.scores[m], ordered_like(first, second, m)) for m in first.scores}
    patients = Patients(first.groups, first.fold_of)
    notes += patient_notes(len(patients.names))
    fold = patients.fold if first.nested and second.nested else None
    by_patient = tuple(patients.means(s, first.present) for s in scores["dice"])
    estimates = [estimate(*(t[:, :, k] for t in by_patient), fold) for k in range(len(first.classes))]
    adjusted = holm(np.array([e.strict_p for e in estimates]))
    alpha = 1 - confidence
    notes += [*lost_notes(estimates, first.classes, alpha), *spread_notes(by_patient)]
    tested = max(1, sum(not math.isnan(e.p) for e in estimates))
    lines = [
        _line(name, e, float(p), int(first.present[:, k].sum()), alpha, alpha / tested, margin)
        | _beside(scores, first.present, k)
        | surface_lines(patients, scores, first.present, first.pixel_mm, k, fold, confidence)
        for k, (name, e, p) in enumerate(zip(first.classes, estimates, adjusted, strict=True))
    ]
    found = groups_of(first.classes, groups)
    sums = [
        estimate(*(macro(t, [first.classes.index(c) for c in members]) for t in by_patient), fold)
        for members in found.values()
    ]
    group_p = holm(np.array([e.strict_p for e in sums]))
    whole = estimate(*(macro(t, list(range(len(first.classes)))) for t in by_patient), fold)
    n_films = [int(first.present[:, [first.classes.index(c) for c in m]].any(axis=1).sum()) for m in found.values()]
    group_lines = [
        Line(**_line(name, e, float(p), n, alpha, alpha / max(1, len(sums)), margin))
        for name, e, p, n in zip(found, sums, group_p, n_films, strict=True)
    ]
    versions = [open_version(arm) for arm in (first, second)]
    notes += dict.fromkeys(why for version, why in versions if version is None and why)
    lineages = [lineage(version) if version else () for version, _ in versions]
    arms = (first, second)
    names = arm_names([arm.record.get("version") for arm in arms], [arm.path.resolve() for arm in arms])
    readers = _readers(reader, versions[1][0] or versions[0][0])
    for line in lines:
        line["reader"], line["reader_n"] = readers.get(line["name"], (math.nan, 0))
    n_whole = int(first.present.any(axis=1).sum())
    return Comparison(
        a=_side(first, names[0], lineages[0]), b=_side(second, names[1], lineages[1]),
        n_images=len(first.images), n_groups=len(patients.names), margin=margin, confidence=confidence,
        classes=tuple(Line(**line) for line in lines), groups=tuple(group_lines),
        overall=Line(**_line("overall", whole, whole.strict_p, n_whole, alpha, alpha, margin)),
        subgroups=_subgroups(versions[1][0], first, patients, scores["dice"], fold, confidence),
        films=_films(first, scores["dice"]), differences=_differences(first, second), notes=tuple(notes),
        software=versions_of_libraries(LIBRARIES),
        run_folders=tuple(tuple(r.path for r in arm.runs if r.classes == first.classes) for arm in (first, second)),
        manifest=manifest_of(second) if versions[1][0] else None, config=first.record.get("config") or {},
    )  # fmt: skip


def _line(
    name: str, e: Difference, adjusted: float, n_films: int, alpha: float, first_step: float, margin: float
) -> dict[str, Any]:
    """The part of a line that every kind has; ``adjusted`` is the p by which the verdict is given."""
    low, high = bounded(e.interval(1 - alpha))
    total = e.error**2
    d = e.per_patient
    return {
        "name": name,
        "n_present": n_films,
        "n_patients": e.n,
        "dice_a": e.mean_a,
        "dice_b": e.mean_b,
        "delta": e.delta,
        "ci": (low, high),
        "p": e.p,
        "p_holm": adjusted,
        "verdict": verdict(e.delta, adjusted, low, high, alpha, margin, e.has_seeds and e.varies),
        "effect": e.effect,
        "wins": int((d > TIE).sum()),
        "ties": int((np.abs(d) <= TIE).sum()),
        "losses": int((d < -TIE).sum()),
        "detectable": e.detectable(first_step),
        "seed_share": e.seed_var / total if e.has_seeds and total > 0 else math.nan,
        "estimate": e,
    }


def verdict(
    delta: float, adjusted: float, low: float, high: float, alpha: float, margin: float, known: bool
) -> str:
    """Better or worse by the adjusted p; else equivalent when the whole interval is within the margin.

    Args:
        known: whether the seeds' variance is; also not where no score varies at all, as of a bone that no run found.
    """
    if not known or math.isnan(adjusted):
        return "inconclusive"
    if adjusted <= alpha:
        return "better" if delta > 0 else "worse"
    return "equivalent" if -margin <= low and high <= margin else "inconclusive"


def _beside(scores: dict, present: np.ndarray, k: int) -> dict[str, Any]:
    """Counts of missed and invented bones."""
    held = present[:, k]
    out: dict[str, Any] = {"n_absent": int((~held).sum())}
    for side, dice in zip("ab", scores["dice"], strict=True):
        out[f"missed_{side}"] = int((dice[:, held, k] == 0).sum())
        out[f"invented_{side}"] = int((~np.isnan(dice[:, ~held, k])).sum())
    return out


def _readers(reader: Path | None, version: Version | None) -> dict[str, tuple[float, int]]:
    if reader is None:
        return {}
    if version is None:
        raise UsageError("--reader", "needs the manifest of the runs, which is not here: it holds the first reading")
    return reader_agreement(Path(reader), version)


def _subgroups(
    version: Version | None, first: Arm, patients: Patients, dice: tuple, fold: np.ndarray | None, confidence: float
) -> tuple[Subgroup, ...]:
    found = []
    for name, films in (subgroup_masks(version, first.images, first.groups) if version else {}).items():
        held = first.present & films[:, None]
        every = list(range(len(first.classes)))
        e = estimate(*(macro(patients.means(d, held), every) for d in dice), fold)
        low_high = bounded(e.interval(confidence))
        found.append(Subgroup(name, int(films.sum()), e.n, e.mean_a, e.mean_b, e.delta, low_high))
    return tuple(found)


def _films(first: Arm, dice: tuple[np.ndarray, np.ndarray]) -> tuple[Film, ...]:
    """Every film with a bone on it, from the one that gained most to the one that lost most."""
    a, b = (np.where(first.present, d.mean(axis=0), np.nan) for d in dice)
    films = []
    for i in np.flatnonzero(first.present.any(axis=1)):
        held = first.present[i]
        change = np.where(held, b[i] - a[i], 0.0)
        order = np.argsort(-np.abs(change), kind="stable")[:_MOST_BONES]
        most = tuple((first.classes[k], float(change[k])) for k in order if change[k] != 0)
        means = float(a[i][held].mean()), float(b[i][held].mean())
        films.append(Film(first.images[i], first.groups[i], *means, means[1] - means[0], most))
    return tuple(sorted(films, key=lambda f: (-f.delta, f.image)))


def _side(arm: Arm, name: str, steps: tuple[str, ...]) -> Side:
    facts = {k: _fact(arm.record[k]) for k in FACTS if arm.record.get(k) is not None}
    facts = {"version": _fact(arm.record.get("version")), **facts}
    names = tuple(r.path.name for r in arm.runs)
    return Side(name, str(arm.path), facts, arm.seeds, arm.folds, names, steps)


def _fact(value: Any) -> str | int | float | None:
    """What a run says of itself, as the JSON report can hold it: words for what is no plain, finite value."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1 << 53:
        return value
    return json.dumps(value)


def _differences(first: Arm, second: Arm) -> tuple[tuple[str, str, str], ...]:
    """Facts and package versions that differ; what must not differ was refused before."""
    rows = []
    for key in ("version", *FACTS):
        pair = [_told(arm, lambda record, key=key: record.get(key)) for arm in (first, second)]
        if pair[0] != pair[1]:
            rows.append((key, *pair))
    libraries = {lib for arm in (first, second) for run in arm.runs for lib in _software(run.record)}
    for lib in sorted(libraries):
        pair = [_told(arm, lambda record, lib=lib: _software(record).get(lib)) for arm in (first, second)]
        if pair[0] != pair[1] or "," in pair[0]:
            rows.append((f"package {lib}", *pair))
    return tuple(rows)


def _software(record: dict) -> dict[str, str]:
    software = record.get("software")
    return software if isinstance(software, dict) else {}


def _told(arm: Arm, get: Any) -> str:
    """A fact of an arm's runs; several values where its runs differ."""
    values = {json.dumps(v) if not isinstance(v, str) else v for run in arm.runs if (v := get(run.record)) is not None}
    return ", ".join(sorted(values)) or "not recorded"
