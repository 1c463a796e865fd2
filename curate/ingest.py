"""From a folder of pictures and labels to a version: every file is read once, bad ones are refused by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from curate.errors import CarpusError, ManifestError, UsageError
from curate.films import Films, Source, looks_like_hands, read_films
from curate.leaks import Twins, twins_among
from curate.manifest.commit import commit_version, next_split_name, writing
from curate.manifest.head import NAME
from curate.manifest.splits import default_folds, extend_split, make_split
from curate.manifest.store import Manifest, Version
from curate.manifest.strata import strata_of
from curate.presets import HAND_BONES


@dataclass(frozen=True)
class Ingested:
    """What ``curate init`` did.

    Attributes:
        version: v1. refused: path and fault of each file that could not enter. repairs: sentences by label file.
        twins: each new film with the pixels of another patient's.
    """

    version: Version
    refused: tuple[CarpusError, ...]
    repairs: tuple[str, ...]
    twins: tuple[Twins, ...]


def ingest(
    root: str | os.PathLike,
    images: Path | None = None,
    labels: Path | None = None,
    meta: Path | None = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    folds: int | None = None,
    workers: int = 1,
    progress: Callable[[Iterable, int], Iterable] = lambda items, total: items,
    kind: str | None = None,
    tag_categories: Sequence[str] = (),
    group_by: str | None = None,
) -> Ingested:
    """Read a data set and name it v1, with a split by patient. The originals are only read.

    Args:
        root: folder of the data set, where the manifest goes.
        images, labels, meta: where they are, when not in the competition's layout below ``root``.
        classes: labels in order; by default the 29 hand bones when the labels are among them, else the labels found.
        folds: of the split; by default min(5, patients // 3), at least 2.
        progress: wraps the iteration over films, to show it.
        kind: name of the format, when it is not the competition's layout.
        tag_categories: categories that say something of the picture: tags of the sample rather than classes.
        group_by: a regular expression; what its first group (or the whole) matches in a sample's id is the patient.

    Raises:
        ManifestError: there is a manifest already, or no film at all could be read.
    """
    root = Path(root).absolute()
    if not root.is_dir():
        raise UsageError(root, "is not a folder")
    if (root / NAME).exists():
        raise ManifestError(root / NAME, "exists; versions never change, so init does not write over it")
    source = Source(root, images, labels, meta, kind, tuple(tag_categories), group_by)
    found, refused, declared, notes = source.find()
    known = tuple(classes) if classes else declared or None
    guard = known or (HAND_BONES if looks_like_hands(found) else None)
    with writing(root):
        films = read_films(source, found, guard, "v1", workers, progress, refused)
        if not films.rows:
            lines = "; ".join(str(e) for e in films.refused[:3])
            raise ManifestError(root, f"holds no film that can be read{': ' + lines if lines else ''}")
        strata = strata_of(films.rows)
        count = folds or default_folds(len(strata) - len(films.delivered))
        fold_of = make_split(strata, count, 0.0, 0, frozenset(films.delivered), strict=False)
        version = commit_version(
            root,
            name="v1",
            parent=None,
            step={"name": "init", **source.step(), "films": len(films.rows)},
            put=films.rows,
            new_split=(next_split_name(None), fold_of, {"folds": count, "test": 0.0, "seed": 0}),
            classes=guard or sorted(films.names) or ["unlabelled"],
            dataset=name,
            refused=films.refusals(),
        )
    return _ingested(version, films, notes)


def _ingested(version: Version, films: Films, notes: tuple[str, ...]) -> Ingested:
    twins = twins_among(version, {row.id for row in films.rows})
    return Ingested(version, tuple(films.refused), (*notes, *films.repairs), tuple(twins))


def few_lines(repairs: Sequence[str], most: int = 6) -> list[str]:
    """What was repaired, in few lines: alike repairs of more than ``most`` are counted, and the first is shown.

    Args:
        repairs: sentences as ``Ingested`` has them, the file first.
    """
    if len(repairs) <= most:
        return list(repairs)
    kinds: dict[str, list[str]] = {}
    for text in repairs:
        kinds.setdefault(re.sub(r"\d[\d.]*", "N", text.rpartition(": ")[2]), []).append(text)
    return [f"{len(alike)} such: {alike[0]}" if len(alike) > 1 else alike[0] for alike in kinds.values()]


def add(
    manifest: Manifest,
    source: Source,
    parent: str | None = None,
    name: str | None = None,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[Iterable, int], Iterable] = lambda items, total: items,
) -> Ingested:
    """A version with the films that came since: nobody moves to another fold, new patients are dealt to the folds.

    What the chosen version has known by name is not read again, also when it was dropped.

    Args:
        parent: version to add to; the newest by default. seed: of the order in which new patients are dealt.

    Raises:
        UsageError: there is no new film.
        ManifestError: none of the new films can be read.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        before = manifest.version(parent)
        source = replace(source, root=manifest.root)
        found, refused, _, notes = source.find()
        new = [f for f in found if f.id not in before.known]
        if not new:
            raise UsageError(manifest.root, f"has no film that {before.name} does not know")
        target = name or manifest.next_name()
        films = read_films(source, new, manifest.classes, target, workers, progress, refused)
        if not films.rows:
            raise ManifestError(manifest.root, f"no new film can be read: {'; '.join(map(str, films.refused[:3]))}")
        strata = strata_of([*before.samples, *films.rows])
        split = None
        if strata.keys() - before.fold_of.keys():
            about = manifest.head["splits"][before.split]
            fold_of = extend_split(before.fold_of, strata, before.folds, seed, frozenset(films.delivered))
            settings = {"folds": before.folds, "test": about["test"], "seed": seed, "extends": before.split}
            split = (next_split_name(manifest), fold_of, settings)
        version = commit_version(
            manifest.root,
            name=target,
            parent=before,
            step={"name": "add", **source.step(), "films": len(films.rows)},
            put=films.rows,
            new_split=split,
            refused=films.refusals(),
        )
    return _ingested(version, films, notes)
