"""Correcting a label as a new version: the new label file stands beside the old one, which nobody touches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from curate.errors import LabelError, UsageError
from curate.files import digest_bytes, inside, sweep_below, write_atomically
from curate.formats.normal import FOLDER
from curate.manifest import Manifest, SampleRow
from curate.manifest.commit import commit_version, same_step, writing
from curate.manifest.row import original_digest
from curate.sample.door import ring
from curate.sample.image import read_bytes
from curate.sample.labelfile import load_json, read_labels
from curate.steps import Step, descends, plain

Entry = dict[str, Any]


def edit(
    manifest: Manifest,
    sample: str,
    annotation: str,
    *,
    label: str | None = None,
    points: Sequence[Sequence[float]] | None = None,
    remove: bool = False,
    source: str | None = None,
    name: str | None = None,
) -> Step:
    """A version in which one annotation of one original is relabelled, redrawn or gone.

    Children made from the film leave the version: they hold the old label. The step that made them can be asked again.

    Args:
        annotation: its id; or its class, where the film has one annotation of that class.
        label: another class. points: another outline, pixels. remove: take it out. Exactly one of the three.
        source: version to start from; the newest by default.

    Raises:
        UsageError: no such sample or annotation, a class that is not in the list, or not exactly one change.
        LabelError: the new outline is no polygon inside the picture.
    """
    if (label is not None) + (points is not None) + remove != 1:
        raise UsageError("edit", "takes one of --label, --points and --remove")
    asked: dict[str, Any] = {"name": "edit", "sample": sample, "annotation": annotation}
    asked |= {k: v for k, v in (("label", label), ("remove", remove or None)) if v is not None}
    if points is not None:  # told by its digest: thousands of vertices would drown the head
        if not isinstance(points, list | tuple):
            raise LabelError("--points", "is not a list of points [[x, y], ...]")
        points = ring(points, "--points", annotation).tolist()
        asked |= {"points": len(points), "outline": digest_bytes(orjson.dumps(points))}
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        parent = manifest.version(source)
        if source is None and parent.parent and parent.step.items() >= plain(asked).items():
            return Step(parent, existed=True)
        row = parent.row(sample)
        if not row.is_original or row.labels is None:
            raise UsageError(sample, "is not a labelled original; a child's labels follow its parents'")
        if label is not None and label not in manifest.classes:
            raise UsageError("--label", f"{label!r} is none of {', '.join(manifest.classes)}")
        children = sorted(r.id for r in parent.samples if not r.is_original and descends(parent, r.id, {sample}))
        step = plain(asked | {"children": len(children)})
        existing = same_step(manifest, parent, step)
        if existing is not None:
            return Step(existing, existed=True)
        target = name or manifest.next_name()
        edited = _rewritten(manifest, row, annotation, target, _change(label, points, remove))
        version = commit_version(manifest.root, name=target, parent=parent, step=step, put=[edited], drop=children)
    return Step(version, existed=False, samples=(sample,))


def _change(label: str | None, points: Any, remove: bool) -> Callable[[Entry], list[Entry]]:
    if remove:
        return lambda entry: []
    if label is not None:
        return lambda entry: [entry | {"label": label}]
    return lambda entry: [{k: v for k, v in entry.items() if k != "holes"} | {"points": points}]


def _rewritten(
    manifest: Manifest, row: SampleRow, annotation: str, target: str, change: Callable[[Entry], list[Entry]]
) -> SampleRow:
    """The row with its label file written anew, all else in it as it stood."""
    document = load_json(read_bytes(inside(manifest.root, row.labels)), row.labels)
    entries = document["annotations"]
    chosen = _find(entries, annotation, row.id)
    first = next(i for i, e in enumerate(entries) if i in chosen)
    every = _keeps_parts(change, entries[first])
    document["annotations"] = []
    for i, entry in enumerate(entries):
        if i not in chosen:
            document["annotations"].append(entry)
        elif every or i == first:  # a new outline takes the place of all parts
            document["annotations"] += change(entry)
    data = orjson.dumps(document)
    place = f"{FOLDER}/{target}/{row.id}.json"
    read_labels(data, place, (row.width, row.height), manifest.classes)  # refuses what could not be read back
    sweep_below(manifest.root / FOLDER / target)
    write_atomically(inside(manifest.root, place), data, durable=True)
    digest = digest_bytes(data)
    return replace(row, labels=place, label_file=digest, digest=original_digest(row.file, digest))


def _keeps_parts(change: Callable[[Entry], list[Entry]], entry: Entry) -> bool:
    """Whether a change leaves the outline alone, so that it concerns every part of an annotation."""
    after = change(entry)
    return not after or after[0].get("points") == entry.get("points")


def _find(entries: list[Entry], annotation: str, sample: str) -> set[int]:
    """Places of the entries that are one annotation: those of its id, or the one of its class."""
    ids = {i for i, e in enumerate(entries) if str(e.get("id") or i) == annotation}
    if ids:
        return ids
    named = {i for i, e in enumerate(entries) if e.get("label") == annotation}
    if len(named) == 1:
        return named
    what = f"has {len(named)} annotations of class" if named else "has no annotation"
    shown = [(i, e) for i, e in enumerate(entries) if not named or i in named]
    known = ", ".join(f"{e.get('id') or i} ({e.get('label')})" for i, e in shown[:40])
    raise UsageError(sample, f"{what} {annotation}; there are: {known}")
