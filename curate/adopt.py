"""Taking over the versions of another copy of a data set: files and tables are copied; the caller writes the head."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from curate.errors import ManifestError, UsageError
from curate.files import digest_bytes, digest_file, inside, sweep_temporary, write_atomically
from curate.formats.normal import FOLDER
from curate.manifest import Manifest, Version
from curate.manifest.head import TABLES
from curate.manifest.splits import read_split
from curate.manifest.table import to_bytes

SUFFIX = "-theirs"
"""What the name of a taken-over version or split gets when it is in use for another."""


@dataclass
class Adopted:
    """What was taken over from another manifest.

    Attributes:
        head: ours with their versions in it, not written yet.
        versions, splits: their names -> ours. files: how many were copied. newest: their newest version, as ours.
    """

    head: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    files: int = 0
    newest: str | None = None


def adopt(manifest: Manifest, other: Manifest) -> Adopted:
    """Copy what the versions of another copy of the data set need that this one does not have.

    A version is the same when its digest is. One whose name is in use for another here is named ``NAME-theirs``. The
    caller holds ``writing(manifest.root)`` and writes the head; until then nothing here names what was copied.

    Raises:
        UsageError: other classes, or not one version in common: not copies of one data set.
        ManifestError: a file that both have with different bytes, or theirs that is not as its manifest says.
    """
    ours = {v.digest: v.name for v in manifest.versions()}
    if manifest.classes != other.classes:
        raise UsageError(other.path, "has other classes; its versions cannot be joined with these")
    if not any(v.digest in ours for v in other.versions()):
        raise UsageError(other.path, "has no version in common with this manifest: not a copy of this data set")
    done = Adopted(copy.deepcopy(manifest.head))
    for version in other.versions():
        if version.digest in ours:
            done.versions[version.name] = ours[version.digest]
        else:
            done.versions[version.name] = _take(manifest, version, done)
        done.newest = done.versions[version.name]
    return done


def _free(name: str, taken: Mapping[str, Any]) -> str:
    free = name
    while free in taken:
        free += SUFFIX
    return free


def _take(manifest: Manifest, version: Version, done: Adopted) -> str:
    """Copy one version's split, table and files, and enter it in the head; its name here."""
    head = done.head
    split = _take_split(manifest, version, done)
    name = _free(version.name, head["versions"])
    table = version.own_table()  # checks its digest
    places = [(row["image"], row["file"], row["labels"], row["label_file"]) for row in table.select(
        ["image", "file", "labels", "label_file"]).to_pylist()]  # fmt: skip
    labels = []
    for image, file, text, label_file in places:
        done.files += _copied(version, manifest, image, image, file)
        place = _place(manifest, text, label_file, name)
        done.files += _copied(version, manifest, text, place, label_file)
        labels.append(place)
    at = table.schema.get_field_index("labels")
    data = inside(version.root, version.entry["table"]["file"]).read_bytes()
    if labels != table["labels"].to_pylist():
        data = to_bytes(table.set_column(at, table.schema.field(at), pa.array(labels, pa.string())))
    file = f"{TABLES}/{name}.parquet"
    write_atomically(inside(manifest.root, file), data, durable=True)
    entry = copy.deepcopy(dict(version.entry))
    about = {"file": file, "rows": table.num_rows, "digest": digest_bytes(data)}
    entry |= {"parent": done.versions.get(version.parent), "split": split, "table": about}
    step = entry["step"]
    renamed = {k: done.versions[step[k]] for k in ("other", "base") if step.get(k) in done.versions}
    if step["name"] == "merge" and any(step[k] != v for k, v in renamed.items()):
        raise UsageError(
            version.name, f"joins {step['other']}, a name that is in use for another version here; give one of the two "
            "another name (--name) before they are joined"
        )  # fmt: skip
    head["versions"][name] = entry
    for kind in ("tags", "notes"):
        for key, value in version.manifest.head.get(kind, {}).items():
            if kind == "tags" and value == version.name and key not in head.get("tags", {}):
                head.setdefault("tags", {})[key] = name
            if kind == "notes" and key == version.name:
                head.setdefault("notes", {})[name] = value
    return name


def _take_split(manifest: Manifest, version: Version, done: Adopted) -> str:
    """The name here of a version's split, which is copied when it is not here."""
    about = version.manifest.head["splits"][version.split]
    splits = done.head["splits"]
    split = next((n for n, s in splits.items() if s["digest"] == about["digest"]), None)
    if split is None:
        split = _free(version.split, splits)
        file = f"{TABLES}/splits/{split}.csv"
        read_split(inside(version.root, about["file"]), about["digest"])
        write_atomically(inside(manifest.root, file), inside(version.root, about["file"]).read_bytes(), durable=True)
        splits[split] = {**about, "file": file}
        if "extends" in about:
            splits[split]["extends"] = done.splits.get(about["extends"], about["extends"])
    done.splits[version.split] = split
    return split


def _place(manifest: Manifest, labels: str | None, digest: str | None, name: str) -> str | None:
    """Where their label file goes: where they have it, unless both wrote one of that name, under their version's."""
    if labels is None or not labels.startswith(f"{FOLDER}/"):
        return labels
    here = inside(manifest.root, labels)
    if not here.is_file() or digest_file(here) == digest:
        return labels
    below = PurePosixPath(labels).relative_to(FOLDER).parts[1:]
    return PurePosixPath(FOLDER, name, *below).as_posix()


def _copied(version: Version, manifest: Manifest, relative: str | None, place: str | None, digest: str | None) -> bool:
    """Bring one file over, unless it is here; whether it had to be."""
    if relative is None:
        return False
    source, target = inside(version.root, relative), inside(manifest.root, place)
    if target.is_file():
        if digest_file(target) != digest:
            raise ManifestError(place, "is here with other bytes than the versions to take over need")
        return False
    if not source.is_file():
        if relative.startswith("derived/"):
            return False  # made again from its recipe: augment rebuild
        raise ManifestError(source, "is missing there")
    if digest_file(source) != digest:
        raise ManifestError(source, "is not as its manifest says")
    sweep_temporary(target.parent, target.name)
    write_atomically(target, source.read_bytes(), durable=True)
    shutil.copystat(source, target)
    return True
