"""From a folder of pictures and labels to version v1: every file is read once, bad ones are refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib

from curate.anatomy import fingers_deg, side_of
from curate.errors import CarpusError, ManifestError, UsageError
from curate.files import digest_bytes, write_atomically
from curate.formats.competition import Found, find_samples
from curate.formats.foreign import find_foreign
from curate.formats.meta import patient_number, read_meta
from curate.formats.normal import FOLDER, label_document
from curate.manifest.commit import commit_version, next_split_name, writing
from curate.manifest.head import NAME
from curate.manifest.row import SampleRow, original_digest
from curate.manifest.splits import default_folds, make_split
from curate.manifest.store import Version
from curate.manifest.strata import strata_of
from curate.presets import HAND_BONES
from curate.sample import dicom
from curate.sample.image import decode, read_bytes
from curate.sample.labelfile import read_labels


@dataclass(frozen=True)
class Ingested:
    """What ``curate init`` did.

    Attributes:
        version: v1. refused: path and fault of each file that could not enter. repairs: sentences by label file.
    """

    version: Version
    refused: tuple[CarpusError, ...]
    repairs: tuple[str, ...]


def _relative(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        raise UsageError(path, f"is not inside {root}, where the manifest is written") from None


def _contained(path: Path, root: Path) -> None:
    if not path.resolve().is_relative_to(root.resolve()):
        raise ManifestError(path, "is a link that leaves the data set's folder")


def _read_one(found: Found, root: Path, classes: tuple[str, ...] | None) -> tuple[dict | None, CarpusError | None]:
    """Facts of one film and its labels, or the error that refuses it."""
    try:
        relative = _relative(found.image, root)
        _contained(found.image, root)
        data = read_bytes(found.image)
        image = decode(data, Path(relative))
        facts: dict[str, Any] = {
            "found": found,
            "image": relative,
            "file": digest_bytes(data),
            "pixels": digest_bytes(image.gray.tobytes()),
            "size": (image.width, image.height),
            "labels": None,
            "label_file": None,
            "names": (),
            "repairs": (),
            "side": None,
            "fingers_deg": None,
            "dicom": dicom.about(data, Path(relative)) if dicom.is_dicom(data) else {},
        }
        if found.item is not None and found.item.shapes is not None:
            found = replace(found, labels=_imported(found, root, facts["size"]))
        if found.labels is not None:
            _contained(found.labels, root)
            text = read_bytes(found.labels)
            name = _relative(found.labels, root)
            labels = read_labels(text, name, facts["size"], classes)
            facts |= {
                "labels": name,
                "label_file": digest_bytes(text),
                "names": tuple(dict.fromkeys(a.label for a in labels.annotations)),
                "repairs": tuple(f"{name}: {r}" for r in (*_notes(found), *labels.repairs)),
                "side": side_of(labels.annotations),
                "fingers_deg": fingers_deg(labels.annotations),
            }
        return facts, None
    except CarpusError as error:
        path = error.path
        if path and os.path.isabs(path):
            path = os.path.relpath(path, root)
        return None, type(error)(path, error.detail)


def _notes(found: Found) -> tuple[str, ...]:
    return found.item.notes if found.item is not None else ()


def _imported(found: Found, root: Path, size: tuple[int, int]) -> Path:
    """Write the labels of another format as a label file of our own, and give its place."""
    item = found.item
    _contained(item.source, root)
    source = (_relative(item.source, root), found.source_digest)
    path = root / FOLDER / "v1" / f"{found.id}.json"
    write_atomically(path, label_document(item, size, source, found.format))
    return path


def _side_in_name(stem: str) -> str | None:
    """``_R`` or ``_L`` at the end of some competition names."""
    return {"_R": "right", "_L": "left"}.get(stem[-2:])


def _row(facts: dict, meta: dict[int, dict]) -> SampleRow:
    found: Found = facts["found"]
    about = dict(meta.get(patient_number(found.group), {})) if meta else {}
    told = dict(facts["dicom"])
    patient, side = told.pop("patient", None), told.pop("side", None)
    about |= told
    if facts["fingers_deg"] is not None:
        about["fingers_deg"] = round(facts["fingers_deg"], 2)
    return SampleRow(
        id=found.id,
        image=facts["image"],
        labels=facts["labels"],
        group=patient or found.group,
        fold=None,
        split="train",
        side=facts["side"] or side or _side_in_name(found.image.stem),
        width=facts["size"][0],
        height=facts["size"][1],
        digest=original_digest(facts["file"], facts["label_file"]),
        pixels=facts["pixels"],
        file=facts["file"],
        label_file=facts["label_file"],
        tags=tuple(sorted({*(found.item.tags if found.item is not None else ())})),
        meta=about,
    )


def ingest(
    root: Path,
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
    root = root.absolute()
    images, labels = (None if p is None else Path(os.path.abspath(p)) for p in (images, labels))
    if not root.is_dir():
        raise UsageError(root, "is not a folder")
    if (root / NAME).exists():
        raise ManifestError(root / NAME, "exists; versions never change, so init does not write over it")
    declared: tuple[str, ...] = ()
    if kind in (None, "competition"):
        found, refused = find_samples(root, images, labels)
        if tag_categories:
            raise UsageError("--tag-categories", "needs a --format that has categories")
    else:
        found, refused, declared = find_foreign(root, kind, images, labels, tag_categories, group_by)
    about: dict[int, dict] = {}
    sheet = meta or next((p for p in (root / "meta_data.xlsx", root / "train/meta_data.xlsx") if p.is_file()), None)
    if sheet is not None:
        try:
            about = read_meta(sheet)
        except CarpusError as error:
            refused.append(error)
    known = tuple(classes) if classes else declared or None
    guard = known or (HAND_BONES if _looks_like_hands(found) else None)
    jobs = (joblib.delayed(_read_one)(f, root, guard) for f in found)
    step: dict[str, Any] = {"name": "init"}
    step |= {} if kind is None else {"format": kind}
    step |= {"tag_categories": sorted(tag_categories)} if tag_categories else {}
    step |= {"group_by": group_by} if group_by else {}
    with writing(root):
        results = joblib.Parallel(n_jobs=workers, return_as="generator", batch_size=1 if workers > 1 else "auto")(jobs)
        rows, repairs, names, delivered = [], [], {}, set()
        for facts, error in progress(results, len(found)):
            if error is not None:
                refused.append(error)
                continue
            rows.append(_row(facts, about))
            repairs += facts["repairs"]
            delivered |= {rows[-1].group} if facts["found"].delivered == "test" else set()
            names.update(dict.fromkeys(facts["names"]))
        refused.sort(key=lambda e: (e.path or "", e.detail))
        if not rows:
            lines = "; ".join(str(e) for e in refused[:3])
            raise ManifestError(root, f"holds no film that can be read{': ' + lines if lines else ''}")
        strata = strata_of(rows)
        frozen = frozenset(delivered)
        count = folds or default_folds(len(strata) - len(frozen))
        fold_of = make_split(strata, count, 0.0, 0, frozen, strict=False)
        version = commit_version(
            root,
            name="v1",
            parent=None,
            step=step | {"films": len(rows)},
            put=rows,
            new_split=(next_split_name(None), fold_of, {"folds": count, "test": 0.0, "seed": 0}),
            classes=guard or sorted(names) or ["unlabelled"],
            dataset=name,
            refused=[{"path": e.path or "", "detail": e.detail} for e in refused],
        )
    return Ingested(version, tuple(refused), tuple(repairs))


def _looks_like_hands(found: Sequence[Found]) -> bool:
    """Whether most labels of the first readable files are bones of the hand: then the 29 are the list of classes."""
    hits = total = 0
    for sample in [f for f in found if f.labels is not None][:20]:
        try:
            labels = read_labels(read_bytes(sample.labels), str(sample.labels), (1 << 20, 1 << 20))
        except CarpusError:
            continue
        hits += sum(a.label in HAND_BONES for a in labels.annotations)
        total += len(labels.annotations)
    return total > 0 and 2 * hits > total
