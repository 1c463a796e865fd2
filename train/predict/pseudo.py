"""Labels by machine: what runs predict with confidence of unlabelled films becomes a new version.

Such films are marked (the tag ``pseudo``) and are never evaluated on; and since their labels carry what the runs had
seen, no run may train on them that is scored on patients whom those had seen. :func:`train.arms.make_arm` holds both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from curate.errors import CarpusError, UsageError
from curate.files import digest_bytes, digest_file, inside, write_atomically
from curate.formats.base import Shape
from curate.formats.normal import FOLDER
from curate.manifest import Manifest, SampleRow, Version
from curate.manifest.commit import commit_version, writing
from curate.manifest.row import EVALUATION_ONLY, PSEUDO, original_digest
from curate.manifest.splits import TEST
from curate.sample.labelfile import read_labels
from curate.sample.read import SampleReader
from curate.steps import descends, plain
from train.arms import split_table
from train.evaluate import true_plane
from train.predict.output import shapes_of_plane
from train.predict.predictor import Predictor
from train.predict.tally import Tally
from train.runs import RunFolder, read_record
from train.scores import score_planes

USUAL = 0.95
"""Share of the labelled films on which a bone must be for a film without it not to be trusted."""
CRUMB = 0.1
"""Pieces of a bone smaller than this share of its largest are left out of the labels."""
_MOST_CHECKED = 40


@dataclass(frozen=True)
class Guess:
    """What runs say of one film.

    Attributes:
        row: the film. shapes: its bones. confidence: the least expected Dice of a bone that it has or should have.
        bone: whose that is.
    """

    row: SampleRow
    shapes: tuple[Shape, ...]
    confidence: float
    bone: str


@dataclass(frozen=True)
class Check:
    """The same judgement on films whose truth is known: the evaluation films of the runs.

    Attributes:
        n: films looked at. passed: of them. dice_passed, dice_failed: their mean Dice; NaN without films.
    """

    n: int
    passed: int
    dice_passed: float
    dice_failed: float


@dataclass(frozen=True)
class Labelled:
    """A version with machine-made labels: whether it had existed before, the films labelled, and those left."""

    version: Version
    existed: bool
    taken: tuple[Guess, ...] = ()
    left: tuple[Guess, ...] = ()
    check: Check | None = None


def teachers(runs: Sequence[Path], manifest: Manifest) -> tuple[str, int]:
    """The split and the fold that some runs were scored on, and so were not trained on.

    Raises:
        UsageError: runs of several folds or splits: together they have seen every patient.
    """
    records = [read_record(run) for run in runs]
    for run, record in zip(runs, records, strict=True):
        split = manifest.head["splits"].get(record.get("split"))
        if split is None or split["digest"] != record.get("split_digest"):
            raise UsageError(run, f"used split {record.get('split')}, which {manifest.path} does not have")
        if (record["split"], record["fold"]) != (records[0]["split"], records[0]["fold"]):
            both = f"{records[0]['fold']} of {records[0]['split']} and {record['fold']} of {record['split']}"
            raise UsageError(run, f"folds {both}: together the runs have seen every patient; give those of one fold")
    return records[0]["split"], records[0]["fold"]


def candidates(version: Version, split: str, fold: int) -> tuple[SampleRow, ...]:
    """The films to label: unlabelled originals of patients who are neither in test nor of the fold to be scored.

    Raises:
        UsageError: a patient of another fold in this version than in the runs' split; or there is no such film.
    """
    seen = split_table(version.manifest, split)
    for group, was in seen.items():
        now = version.fold_of.get(group)
        if now is not None and (was == fold, was == TEST) != (now == fold, now == TEST):
            raise UsageError(version.name, f"has patient {group} in another fold than split {split} of the runs")
    films = [r for r in version.samples if r.is_original and r.labels is None and EVALUATION_ONLY not in r.tags]
    rows = tuple(r for r in films if r.fold is not None and r.split != "test" and r.fold != fold)
    if not rows:
        rest = f"; {len(films)} are of the test set or of fold {fold}, on which the runs are scored" if films else ""
        raise UsageError(version.name, f"has no unlabelled film to label{rest}")
    return rows


def usual_bones(version: Version, reader: SampleReader) -> tuple[str, ...]:
    """Classes that nearly every labelled original has."""
    films = [r.id for r in version.samples if r.is_original and r.labels is not None and PSEUDO not in r.tags]
    held = [{a.label for a in reader.annotations(name)} for name in films]
    return tuple(c for c in version.classes if films and sum(c in labels for labels in held) >= USUAL * len(films))


def guess(predictor: Predictor, reader: SampleReader, row: SampleRow, usual: Sequence[str]) -> tuple[Guess, np.ndarray]:
    """Label one film; also gives the plane, unsigned (h, w)."""
    tally = Tally(len(predictor.classes))
    plane = predictor.plane(reader.image(row.id), tally)
    sure = dict(zip(predictor.classes, tally.expected_dice(), strict=True))
    known = {name: 0.0 if np.isnan(value) else value for name, value in sure.items() if name in usual or value == value}
    bone = min(known, key=known.__getitem__, default="")
    shapes = tuple(_without_crumbs(shape) for shape in shapes_of_plane(plane, predictor.classes, Path(row.id)))
    return Guess(row, shapes, round(float(known.get(bone, 0.0)), 4), bone), plane


def _without_crumbs(shape: Shape) -> Shape:
    areas = [_area(part.outer) for part in shape.parts]
    return replace(shape, parts=tuple(p for p, a in zip(shape.parts, areas, strict=True) if a >= CRUMB * max(areas)))


def _area(ring: Sequence[Sequence[float]]) -> float:
    x, y = np.array(ring).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def check(predictor: Predictor, version: Version, rows: Sequence[SampleRow], confidence: float) -> Check:
    """What the judgement is worth, on at most ``_MOST_CHECKED`` films with known truth that the runs did not see."""
    reader, usual = SampleReader(version), usual_bones(version, SampleReader(version))
    passed, failed = [], []
    for row in rows[:: max(1, -(-len(rows) // _MOST_CHECKED))]:
        made, plane = guess(predictor, reader, row, usual)
        truth = true_plane(reader, row, predictor.classes)
        dice = [s.dice for s in score_planes(plane, truth, len(predictor.classes), boundary=False)]
        (passed if made.confidence >= confidence else failed).append(float(np.nanmean(dice)))
    means = [float(np.mean(d)) if d else float("nan") for d in (passed, failed)]
    return Check(len(passed) + len(failed), len(passed), *means)


def label(
    manifest: Manifest,
    predictor: Predictor,
    *,
    source: str | None = None,
    confidence: float = 0.9,
    name: str | None = None,
    progress: Callable[[Sequence[SampleRow]], Iterable[SampleRow]] = lambda rows: rows,
) -> Labelled:
    """Predict unlabelled films; those that the runs are sure of become labelled films of a new version.

    A film is trusted when the Dice that the probabilities expect is at least ``confidence`` for each of its bones, and
    no bone is missing that nearly every labelled film has. Children that were made from a film before it had labels
    leave the version.

    Args:
        source: version to start from; the newest by default. confidence: in (0, 1).
        progress: wraps the iteration over films, to show it.

    Raises:
        UsageError: nothing to label, no film that could be trusted, runs of several folds or of other classes.
    """
    if not 0 < confidence < 1:
        raise UsageError("--confidence", f"{confidence} is no share between 0 and 1")
    parent = manifest.version(source)
    if predictor.classes != parent.classes:
        raise UsageError(predictor.members[0].path, f"was trained on other classes than {parent.name} has")
    runs = [member.path for member in predictor.members]
    split, fold = teachers(runs, manifest)
    asked: dict[str, Any] = {
        "name": "pseudo",
        "runs": sorted(digest_file(RunFolder(run).model) for run in runs),
        "fold": fold,
        "split": split,
        "method": predictor.method,
        "tta": sorted(predictor.tta),
        "thresholds": [round(float(t), 4) for t in np.mean([m.thresholds for m in predictor.members], 0)],
        "confidence": confidence,
    }
    for version in manifest.versions():
        if version.step.items() >= plain(asked).items() and (version.parent == parent.name or (
            source is None and version.name == parent.name)):  # fmt: skip
            return Labelled(version, existed=True)
    reader, usual = SampleReader(parent), usual_bones(parent, SampleReader(parent))
    taken, left = [], []
    for row in progress(candidates(parent, split, fold)):
        made, _ = guess(predictor, reader, row, usual)
        (taken if made.confidence >= confidence else left).append(made)
    checked = check(predictor, *_scored(manifest, runs[0]), confidence)
    if not taken:
        best = max(left, key=lambda g: g.confidence)
        surest = f"the surest is {best.row.id} with {best.confidence:.2f} ({best.bone})"
        raise UsageError(parent.name, f"of {len(left)} unlabelled films none is as sure as {confidence}: {surest}")
    version = _commit(manifest, parent, asked, taken, len(left), (split, fold), name)
    return Labelled(version, False, tuple(taken), tuple(left), checked)


def _scored(manifest: Manifest, run: Path) -> tuple[Version, list[SampleRow]]:
    """The version of a run and the films that it was scored on."""
    record = read_record(run)
    version = manifest.version(record["version"])
    return version, [version.by_id[i] for i in record["evaluation"] if i in version.by_id]


def _commit(
    manifest: Manifest, parent: Version, asked: dict[str, Any], taken: Sequence[Guess], left: int,
    teacher: tuple[str, int], name: str | None,
) -> Version:  # fmt: skip
    """Write the label files, then the version that names them: all of it or nothing."""
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        target = name or manifest.next_name()
        rows = [_labelled(manifest, made, target, teacher) for made in taken]
        ids = {row.id for row in rows}
        children = sorted(r.id for r in parent.samples if not r.is_original and descends(parent, r.id, ids))
        step = plain(asked | {"films": len(rows), "left": left, "children": len(children)})
        return commit_version(manifest.root, name=target, parent=parent, step=step, put=rows, drop=children)


def _labelled(manifest: Manifest, made: Guess, target: str, teacher: tuple[str, int]) -> SampleRow:
    """The row of a film with its new label file, which is written here."""
    row = made.row
    entries = [
        {
            "id": f"{shape.id}-{n}",
            "type": "poly_seg",
            "attributes": {"source": "predicted"},
            "points": [list(p) for p in part.outer],
            "holes": [[list(p) for p in hole] for hole in part.holes],
            "label": shape.label,
        }
        for shape in made.shapes
        for n, part in enumerate(shape.parts)
    ]
    about = {"pseudo": {"confidence": made.confidence, "split": teacher[0], "fold": teacher[1]}}
    metadata = {"height": row.height, "width": row.width}
    data = orjson.dumps({"annotations": entries, "attributes": about, "metadata": metadata})
    place = f"{FOLDER}/{target}/{row.id}.json"
    try:
        read_labels(data, place, (row.width, row.height), manifest.classes)  # refuses what could not be read back
    except CarpusError as error:
        raise CarpusError(row.id, f"its predicted outlines are no labels: {error.detail}") from error
    write_atomically(inside(manifest.root, place), data, durable=True)
    digest = digest_bytes(data)
    meta = {**row.meta, "pseudo_confidence": made.confidence, "pseudo_split": teacher[0], "pseudo_fold": teacher[1]}
    changed = replace(row, labels=place, label_file=digest, digest=original_digest(row.file, digest), meta=meta)
    return changed.with_tags(PSEUDO)
